"""What is opened in a user's directory, and what of it is judged by whom: the owner is whoever runs the tests."""

import os

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import CertificateRequired, NotFound
from gemd.responders.access import build_location_check
from gemd.responders.location_rules import Trail
from gemd.responders.owned_files import HomeLocation, OwnedFiles, as_home, open_root_of_home
from gemd.system.accounts import Account
from gemd.system.beneath import open_root

from .asking import peer

ME = os.geteuid()


@pytest.fixture
def home(tmp_path):
    root = tmp_path.resolve() / "alice/public_gemini"
    (root / "dir").mkdir(parents=True)
    (root / "cgi-bin").mkdir()
    (root / "page").write_text("page")
    (root / "dir/page").write_text("deep")
    (root / "cgi-bin/run").write_text("#!/bin/sh\n")
    (root / "cgi-bin/run").chmod(0o755)
    (root / "link").symlink_to("dir/page")
    (root / "source").symlink_to("cgi-bin/run")
    return root


@pytest.fixture
def make(home):
    """The location that the directory is."""

    def make(uid=ME, **keys):
        above = tuple(each.stat() for each in reversed(home.parents))
        account = Account(uid, home.parts[1:], above, str(home.parent))
        fields = {"host": "h", "root": str(home), "mount": ("~alice",), **keys}
        return HomeLocation(**fields, account=account, directory=("public_gemini",))

    return make


@pytest.fixture
def root(home):
    descriptor = open_root("/")  # which is not looked at
    yield descriptor
    os.close(descriptor)


def rules(*locations):
    return {"h": [(location, build_location_check(location)) for location in locations]}


def read(files, root, path, location):
    found = files.open(root, tuple(filter(None, path.split("/"))), location, peer())
    try:
        return os.pread(found.resolved.descriptor, 100, 0).decode(), found
    finally:
        os.close(found.resolved.descriptor)


def test_it_is_opened_below_the_directory_whatever_else_is_open(make, root, home):
    text, found = read(OwnedFiles({}), root, "link", make())
    assert text == "deep"
    assert ("/" + "/".join(found.resolved.names), found.others) == (str(home / "dir/page"), ())


def test_nobody_else_has_anything_there(make, root):
    with pytest.raises(NotFound):
        read(OwnedFiles({}), root, "page", make(uid=ME + 1))
    with pytest.raises(NotFound):
        open_root_of_home(make(uid=ME + 1))


def test_the_directory_is_opened_as_it_is_now(make, home):
    os.close(open_root_of_home(make()))
    home.rename(home.parent / "elsewhere")
    with pytest.raises(NotFound):
        open_root_of_home(make())
    home.symlink_to("elsewhere")
    with pytest.raises(NotFound):
        open_root_of_home(make())


def test_another_location_s_rules_hold_for_what_lies_in_its_directory(make, root, home):
    inner = Location(path="/inner/", mount=("inner",), root=str(home / "dir"), client_certificate="any", host="h")
    files = OwnedFiles(rules(Location(root="/nowhere", host="h"), inner))
    for path in ("dir/page", "link"):
        with pytest.raises(CertificateRequired):
            read(files, root, path, make())
    assert read(files, root, "page", make())[0] == "page"


def test_and_those_of_one_that_the_directory_lies_in(make, root, home):
    outer = Location(
        path="/all/", mount=("all",), root=str(home.parents[1]), client_certificate="any", host="h", listing=False
    )
    inner = Location(path="/inner/", mount=("inner",), root=str(home / "dir"), host="h")
    files = OwnedFiles(rules(inner, outer))
    for path in ("page", "dir/page"):
        with pytest.raises(CertificateRequired):
            read(files, root, path, make())
    open_to_all = Location(path="/all/", mount=("all",), root=str(home.parents[1]), host="h", listing=False)
    found = read(OwnedFiles(rules(inner, open_to_all)), root, "dir/page", make())[1]
    assert found.others == (open_to_all, inner)


def test_private_files_are_not_shown(make, root, home):
    with pytest.raises(NotFound):
        read(OwnedFiles({}, [str(home / "page")]), root, "page", make())


def test_another_host_s_scripts_are_not_shown(make, root, home):
    """Also where a pattern for them begins above the home."""
    for cgi in (str(home.relative_to(home.parents[1]) / "cgi-bin"), "*/public_gemini/cgi-bin/*"):
        scripts = {"other": [(Location(root=str(home.parents[1]), cgi=cgi, host="other"), None)]}
        for path in ("cgi-bin/run", "source"):
            with pytest.raises(NotFound):
                read(OwnedFiles(scripts), root, path, make())


def test_a_user_s_scripts_are_opened_and_not_read(make, root):
    location, files = make(cgi="cgi-bin"), OwnedFiles({})
    for path in ("cgi-bin/run", "source"):
        with pytest.raises(NotFound):
            read(files, root, path, location)
    found = files.open_script(root, ("source",), location, peer())
    parent = found.resolved.open_parent(root)
    assert os.stat("run", dir_fd=parent).st_ino == found.resolved.status.st_ino
    for descriptor in (parent, found.resolved.descriptor):
        os.close(descriptor)


def test_no_other_location_s_settings_of_scripts_hold(make, root, home):
    """But that there are none."""
    outer = Location(path="/all/", mount=("all",), root=str(home.parents[1]), cgi="x", host="h", cgi_user="other")
    none = Location(path="/no/", mount=("no",), root=str(home / "cgi-bin"), cgi=(), host="h", listing=False)
    files = OwnedFiles(rules(outer, none))
    found = files.open_script(root, ("cgi-bin", "run"), make(cgi="cgi-bin"), peer())
    os.close(found.resolved.descriptor)
    assert found.others == (none,)


def test_a_listing_has_nothing_of_others(make):
    files, location = OwnedFiles({}), make()
    mine = os.stat(str(location.root))
    assert not files.hides(mine, ("~alice", "dir"), Trail((), ()), location, peer())
    assert files.hides(mine, ("~alice", "dir"), Trail((), ()), make(uid=ME + 1), peer())


def test_only_a_home_is_asked_about():
    with pytest.raises(AssertionError):
        as_home(Location())
