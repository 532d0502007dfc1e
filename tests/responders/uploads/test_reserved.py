"""What no upload may touch."""

import os
from pathlib import Path

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError
from gemd.responders.uploads import reserved as module
from gemd.responders.uploads.reserved import ReservedPlaces
from gemd.responders.uploads.target import opened_target
from gemd.system.resolved import identify_path

SCRIPTS = "50: Scripts are run from here"
OWN = "50: This file belongs to the server"


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    for folder in ("dir/deep", "scripts", "blog", "apps"):
        (path / folder).mkdir(parents=True)
    for name in ("page.gmi", "dir/page.gmi", "scripts/run", "blog/page.gmi", "apps/mine.py", "key.pem"):
        (path / name).write_text(name)
    (path / "program").write_text("#!/bin/sh\n")
    (path / "program").chmod(0o755)
    return path


def refusal(places, location, path, *, mkdir=True):
    """Why an upload is refused; None where it is not."""
    with opened_target(location, path.split("/"), mkdir=mkdir) as target:
        try:
            places.check(target, location)
        except GeminiError as error:
            return f"{error.status}: {error.meta}"
    return None


def ask(location, path, *others, private=()):
    return refusal(ReservedPlaces([location, *others], private), location, path)


FREE = ["page.gmi", "new.gmi", "dir/page.gmi", "dir/deep/new.gmi", "new/newer/a.gmi"]


@pytest.mark.parametrize("path", FREE)
def test_what_is_the_locations_own(path, root):
    assert ask(Location(root=str(root)), path) is None


def test_a_location_that_is_a_part_of_a_root(root):
    host, blog = Location(root=str(root)), Location(root=str(root), path="/blog")
    assert ask(blog, "blog/page.gmi", host) is None
    assert ask(blog, "blog/new/a.gmi", host) is None
    assert ask(host, "page.gmi", blog) is None


def test_an_exact_location_is_for_its_path_alone(root):
    host, prefix = Location(root=str(root)), Location(root=str(root), path="/dir")
    exact = Location(root=str(root), path="/dir/page.gmi", match="exact")
    alike = Location(root=str(root), path="/dir/page.gmi")
    assert ask(host, "dir/page.gmi", exact).startswith("50: Another location")
    assert ask(alike, "dir/page.gmi", host, exact).startswith("50: Another location")
    assert ask(exact, "dir/page.gmi", host, alike) is None
    directory = Location(root=str(root), path="/dir", match="exact")
    assert ask(host, "dir/new.gmi", directory) is None
    assert ask(prefix, "dir/new.gmi", host, directory) is None


def test_a_location_with_wildcards_has_what_it_matches(root):
    host = Location(root=str(root))
    starred = Location(root=str(root), path="/*/de?p", match="glob")
    for path in ("dir/deep/a.gmi", "blog/deep/new/a.gmi", "DIR/Deep/a.gmi"):
        assert ask(host, path, starred).startswith("50: Another location"), path
    assert ask(host, "dir/page.gmi", starred) is None
    assert ask(starred, "dir/deep/a.gmi", host) is None
    assert ask(starred, "dir/page.gmi", host).startswith("50: Another location")


def test_a_location_that_is_not_there_yet(root):
    host, wiki = Location(root=str(root)), Location(root=str(root), path="/wiki/pages")
    assert ask(wiki, "wiki/pages/a/b.gmi", host) is None
    assert "50: Another location" in ask(host, "wiki/pages/a/b.gmi", wiki)
    assert ask(host, "wiki/a.gmi", wiki) is None


@pytest.mark.parametrize("is_there", [True, False])
def test_a_location_that_is_a_file(is_there, root):
    host, page = Location(root=str(root)), Location(root=str(root), path="/page.gmi")
    if not is_there:
        (root / "page.gmi").unlink()
    assert ask(page, "page.gmi", host) is None
    assert "50: Another location" in ask(host, "page.gmi", page)
    assert ask(host, "page2.gmi", page) is None


@pytest.mark.parametrize("path", ["blog/page.gmi", "blog/new.gmi", "blog/new/newer.gmi"])
def test_another_location_decides_about_its_own(path, root):
    host = Location(root=str(root))
    for other in (
        Location(root=str(root / "blog"), path="/b", mount=("b",)),
        Location(root=str(root), path="/blog", host="another"),
        Location(root=str(root / "blog"), host="another", titan=False),
    ):
        assert "50: Another location" in ask(host, path, other)


def test_the_nearest_location_decides(root):
    host, dir_, deep = (Location(root=str(root), path=path) for path in ("/", "/dir", "/dir/deep"))
    assert ask(deep, "dir/deep/a.gmi", host, dir_) is None
    assert ask(dir_, "dir/a.gmi", host, deep) is None
    assert "50: Another location" in ask(dir_, "dir/deep/a.gmi", host, deep)


def test_a_root_that_is_several_locations(root):
    one, two = Location(root=str(root)), Location(root=str(root), host="another")
    assert ask(one, "page.gmi", two) is None


def test_a_root_may_be_reached_by_a_link(root, tmp_path):
    (tmp_path / "link").symlink_to("root")
    linked = Location(root=str(tmp_path / "link"))
    blog = Location(root=str(root / "blog"), path="/b", mount=("b",))
    assert ask(linked, "new/a.gmi", blog) is None
    assert "50: Another location" in ask(linked, "blog/a.gmi", blog)
    missing = Location(root=str(root / "new"), path="/n", mount=("n",))
    assert "50: Another location" in ask(linked, "new/a.gmi", missing)


def test_locations_without_a_root_own_nothing(root):
    host = Location(root=str(root))
    assert ask(host, "page.gmi", Location(path="/app", app="m:a"), Location(path="/old", gone=True)) is None


# Scripts


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize(
    ("cgi", "path"),
    [
        ("scripts", "scripts/run"),
        ("scripts", "scripts/new"),
        ("scripts", "scripts/new/newer.gmi"),
        ("page.gmi", "page.gmi"),
        ("missing", "missing/a.gmi"),
        ("missing.gmi", "missing.gmi"),
        (("dir", "scripts"), "dir/a.gmi"),
        ("*.cgi", "a.cgi"),
        ("*.cgi", "A.CGI"),
        ("dir/*.gmi", "dir/new.gmi"),
        ("**/*.cgi", "dir/deep/new/a.cgi"),
        ("missing/*.gmi", "missing/a.gmi"),
        ("missing/*.gmi", "Missing/a.gmi"),
    ],
)
def test_scripts_cant_be_uploaded(cgi, path, is_own, root):
    host, other = Location(root=str(root)), Location(root=str(root), cgi=cgi, host="another")
    refused = ask(other, path) if is_own else ask(host, path, other)
    assert SCRIPTS in refused


@pytest.mark.parametrize("path", FREE)
def test_beside_scripts_all_is_free(path, root):
    assert ask(Location(root=str(root), cgi=("scripts", "*.cgi", "dir/*.py", "missing")), path) is None


def test_what_is_in_a_place_of_scripts_of_another_root(root, tmp_path):
    (tmp_path / "link").symlink_to("root")
    other = Location(root=str(tmp_path), cgi="root/scripts", host="another")
    assert SCRIPTS in ask(Location(root=str(root)), "scripts/a.gmi", other)
    assert SCRIPTS in ask(Location(root=str(tmp_path / "link")), "scripts/a.gmi", other)
    assert SCRIPTS in ask(Location(root=str(root / "scripts")), "a.gmi", other)


@pytest.mark.parametrize("is_own", [True, False])
def test_where_all_that_is_executable_is_a_script(is_own, root):
    host, other = Location(root=str(root)), Location(root=str(root), cgi=".", host="another")
    location, others = (other, []) if is_own else (host, [other])
    assert SCRIPTS in ask(location, "program", *others)
    assert SCRIPTS in ask(location, "new.py", *others)
    assert SCRIPTS in ask(location, "new.CGI", *others)
    assert ask(location, "page.gmi", *others) is None
    assert ask(location, "new.gmi", *others) is None


def test_a_script_of_a_location(root):
    other = Location(path="/run", script=str(root / "scripts/run"))
    assert SCRIPTS in ask(Location(root=str(root)), "scripts/run", other)
    assert ask(Location(root=str(root)), "scripts/page.gmi", other) is None


def test_a_script_that_is_a_hard_link(root):
    os.link(root / "scripts/run", root / "dir/harmless.gmi")
    other = Location(path="/run", script=str(root / "scripts/run"))
    assert SCRIPTS in ask(Location(root=str(root)), "dir/harmless.gmi", other)


@pytest.mark.parametrize("path", ["apps/mine.py", "apps/new.py", "apps/new/a.gmi"])
def test_applications_cant_be_uploaded(path, root):
    other = Location(path="/app", app="mine:app", app_path=str(root / "apps"))
    assert SCRIPTS in ask(Location(root=str(root)), path, other)
    assert ask(Location(root=str(root)), path, Location(path="/app", app_path=str(root / "apps"))) is None


def test_the_directory_of_an_application_that_is_missing(root):
    other = Location(path="/app", app="mine:app", app_path=str(root / "missing"))
    assert SCRIPTS in ask(Location(root=str(root)), "missing/a.py", other)
    assert ask(Location(root=str(root)), "missing.gmi", other) is None


# Files that are gemd's alone


def test_private_files(root):
    private = [str(root / "key.pem"), str(root / "access.log")]
    host = Location(root=str(root))
    assert OWN in ask(host, "key.pem", private=private)
    assert OWN in ask(host, "access.log", private=private)
    assert ask(host, "page.gmi", private=private) is None
    os.link(root / "key.pem", root / "page2.gmi")
    assert OWN in ask(host, "page2.gmi", private=private)


def test_what_is_configured_is_looked_at_each_time(root):
    host, other = Location(root=str(root)), Location(root=str(root / "new"), path="/n", mount=("n",))
    places = ReservedPlaces([host, other])
    assert "50: Another location" in refusal(places, host, "new/a.gmi")
    (root / "dir").rename(root / "new")
    assert "50: Another location" in refusal(places, host, "new/a.gmi")
    (root / "new").rename(root / "dir")
    Path(root / "new").symlink_to("dir")
    assert identify_path(str(root / "new")) == identify_path(str(root / "dir"))
    assert "50: Another location" in refusal(places, host, "dir/a.gmi")
    (root / "new").unlink()
    assert refusal(places, host, "dir/a.gmi") is None


def test_a_first_look_is_good_for_a_second_and_decides_nothing(root, monkeypatch):
    host, other = Location(root=str(root)), Location(root=str(root / "new"), path="/n", mount=("n",))
    places, now = ReservedPlaces([host, other]), [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with opened_target(host, ("dir", "a.gmi"), mkdir=False) as target:
        places.check_early(target, host)
        (root / "new").symlink_to("dir")
        with pytest.raises(GeminiError):
            places.check(target, host)
        places.check_early(target, host)
        now[0] += 1.0
        with pytest.raises(GeminiError):
            places.check_early(target, host)


def replace_page(root):
    (root / "part").write_text("new")
    (root / "part").replace(root / "page.gmi")


def test_a_page_that_is_a_location_may_be_replaced_at_once_again(root, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    host, page = Location(root=str(root)), Location(root=str(root), path="/page.gmi")
    places = ReservedPlaces([host, page])
    for _ in range(3):
        with opened_target(page, ("page.gmi",), mkdir=False) as target:
            places.check_early(target, page)
        replace_page(root)


def test_refusals_do_not_have_all_looked_at_again_and_again(root, monkeypatch):
    now, looks = [100.0], []

    def look(places, real=ReservedPlaces._look):
        looks.append(now[0])
        now[0] += 0.01
        return real(places)

    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ReservedPlaces, "_look", look)
    host, page = Location(root=str(root)), Location(root=str(root), path="/page.gmi")
    places = ReservedPlaces([host, page])
    with opened_target(host, ("page.gmi",), mkdir=False) as target:
        for _ in range(20):
            with pytest.raises(GeminiError):
                places.check_early(target, host)
            now[0] += 0.01
    assert len(looks) == 3


def test_what_can_t_be_looked_at_is_no_permission(root, monkeypatch):
    def fail(_path):
        raise OSError(5, "Input/output error")

    host = Location(root=str(root))
    places = ReservedPlaces([host])
    monkeypatch.setattr(module, "identify_path", fail)
    for check in (places.check, places.check_early):
        with opened_target(host, ("a.gmi",), mkdir=False) as target, pytest.raises(OSError, match="Input"):
            check(target, host)


@pytest.mark.parametrize("path", ["Wiki/a.gmi", "WIKI/new/a.gmi"])
def test_what_is_missing_may_have_other_letters_on_the_disk(path, root):
    """A file system that folds case would have the location's directory made by this."""
    other = Location(root=str(root), path="/wiki")
    assert "50: Another location" in ask(Location(root=str(root)), path, other)


def test_a_star_in_the_path_of_a_location_is_a_name_like_any(root):
    other = Location(root=str(root), path="/*/b")
    assert ask(Location(root=str(root)), "new/b", other) is None
    assert "50: Another location" in ask(Location(root=str(root)), "*/b", other)
