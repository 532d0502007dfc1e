"""Opening what is a user's own. As root files can be somebody else's; for the rest, the owner is whoever runs this."""

import contextlib
import errno
import itertools
import os

import pytest

from gemd.system import owned
from gemd.system.owned import open_home, open_owned
from gemd.system.resolved import identify
from tests.conftest import need_root, need_user

ME = os.geteuid()
OTHER = 54321


@pytest.fixture
def home(tmp_path):
    """A home with a directory, links in it, and a secret beside it."""
    root = tmp_path / "home/capsule"
    (root / "dir/deep").mkdir(parents=True)
    (root / "page").write_text("page")
    (root / "dir/deep/page").write_text("deep")
    (tmp_path / "home/secret").write_text("SECRET")
    links = {
        "link": "page",
        "dirlink": "dir",
        "dir/back": "../page",
        "dir/top": "..",
        "here": ".",
        "out": "../secret",
        "absolute": str(root / "page"),
        "loop": "loop",
        "dangling": "nothing",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    return tmp_path / "home"


@pytest.fixture
def root(home):
    with contextlib.closing(_Descriptor(open_home(str(home), ("capsule",), ME))) as opened:
        yield opened.number


class _Descriptor:
    def __init__(self, number):
        self.number = number

    def close(self):
        os.close(self.number)


def read(root, path, symlinks="beneath", owner=ME, **options):
    found = open_owned(root, tuple(filter(None, path.split("/"))), symlinks, owner, **options)
    try:
        return os.pread(found.descriptor, 100, 0).decode(), "/".join(found.names), found
    finally:
        os.close(found.descriptor)


@pytest.mark.parametrize(
    ("path", "real"),
    {
        "page": "page",
        "dir/deep/page": "dir/deep/page",
        "link": "page",
        "dirlink/deep/page": "dir/deep/page",
        "dir/back": "page",
        "dirlink/back": "page",
        "dir/top/page": "page",
        "here/here/link": "page",
    }.items(),
)
def test_what_is_there_is_opened_by_its_names_without_links(root, home, path, real):
    text, names, found = read(root, path)
    assert (text, names) == ((home / "capsule" / real).read_text(), real)
    assert [identify(status) for status in found.stat_way(root)] == [
        identify(os.stat(place))
        for place in [*reversed((home / "capsule" / real).parents), home / "capsule" / real]
        if place.is_relative_to(home / "capsule")
    ]
    assert bool(found.links) == (path != real)


@pytest.mark.parametrize(
    ("path", "code"),
    {
        "out": errno.EXDEV,
        "absolute": errno.EXDEV,
        "dir/../page": errno.EXDEV,
        "loop": errno.ELOOP,
        "dangling": errno.ENOENT,
        "nothing": errno.ENOENT,
        "page/under": errno.ENOTDIR,
        "link/under": errno.ENOTDIR,
    }.items(),
)
def test_nothing_else_is(root, path, code):
    with pytest.raises(OSError) as caught:
        read(root, path)
    assert caught.value.errno == code


def test_a_slash_is_in_no_name(root):
    with pytest.raises(OSError, match="Invalid"):
        open_owned(root, ("dir/deep", "page"), "beneath", ME)


@pytest.mark.parametrize("path", ["link", "dirlink/deep/page"])
def test_without_links_none_is_followed(root, path):
    with pytest.raises(OSError) as caught:
        read(root, path, "none")
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert read(root, "page", "none")[0] == "page"


def test_the_directory_itself_and_a_pipe_are_opened(root):
    for names in ((), ("here",), ("fifo",)):
        found = open_owned(root, names, "beneath", ME)
        assert identify(os.fstat(found.descriptor)) == identify(found.status)
        os.close(found.descriptor)


@need_user
def test_what_is_not_read_need_not_be_readable(root, home):
    (home / "capsule/page").chmod(0)
    os.close(open_owned(root, ("link",), "beneath", ME, is_read=False).descriptor)


def test_nobody_else_has_anything_there(root, home):
    with pytest.raises(PermissionError):
        read(root, "page", owner=OTHER)
    with pytest.raises(PermissionError):
        open_owned(root, (), "beneath", OTHER)
    with pytest.raises(PermissionError):
        open_home(str(home), ("capsule",), OTHER)


@need_root
@pytest.mark.parametrize("foreign", ["dir", "dir/deep", "dir/deep/page"])
def test_all_of_the_way_is_the_owner_s(root, home, foreign):
    os.chown(home / "capsule" / foreign, OTHER, -1)
    for path in ("dir/deep/page", "dirlink/deep/page"):
        with pytest.raises(PermissionError):
            read(root, path)


def test_the_directory_in_a_home_is_no_link(home):
    (home / "other").symlink_to("capsule")
    with pytest.raises(NotADirectoryError):
        open_home(str(home), ("other",), ME)
    with pytest.raises(NotADirectoryError):
        open_home(str(home), ("secret",), ME)
    with pytest.raises(FileNotFoundError):
        open_home(str(home), ("capsule", "nothing"), ME)


def test_no_descriptor_is_left(root, home):
    before = len(os.listdir("/proc/self/fd"))
    for path in ("out", "loop", "nothing", "dir/deep/nothing", "page/under"):
        with contextlib.suppress(OSError):
            read(root, path)
    for path in ("dir/deep/page", "link"):
        read(root, path)
        with contextlib.suppress(OSError):
            read(root, path, owner=OTHER)
    assert len(os.listdir("/proc/self/fd")) == before


def test_links_that_come_again_and_again_have_an_end(root, home, monkeypatch):
    (home / "capsule/other").symlink_to("page")
    turns = itertools.cycle(["other", "link"])
    monkeypatch.setattr(owned, "follow_links", lambda _root, _names: ([next(turns)], []))
    with pytest.raises(OSError, match="unavailable"):
        read(root, "link")
