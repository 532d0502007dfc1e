"""Where the file of an upload may be."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import BadRequest, GeminiError
from gemd.protocol.url import parse_url
from gemd.responders.uploads import target as module
from gemd.responders.uploads.target import find_names, made_directory, opened_target


def url(path):
    return parse_url(f"titan://h{path};size=5".encode("utf-8", "surrogateescape"))


@pytest.fixture
def location(tmp_path):
    root = tmp_path / "root"
    (root / "dir/deep").mkdir(parents=True)
    (root / "page.gmi").write_text("page")
    (root / "dir/page.gmi").write_text("deep page")
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "inside").symlink_to("dir")
    (root / "link.gmi").symlink_to("page.gmi")
    (root / "dangling.gmi").symlink_to("../outside/page.gmi")
    os.mkfifo(root / "fifo")
    return Location(root=str(root))


@pytest.fixture(autouse=True)
def _nothing_stays_open():
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


# The names in a URL


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/a.gmi", ("a.gmi",)),
        ("/a/b.gmi", ("a", "b.gmi")),
        ("//a///b.gmi", ("a", "b.gmi")),
        ("/a/../b.gmi", ("b.gmi",)),
        ("/a%3Bb%20c", ("a;b c",)),
        ("/%C3%A4", ("ä",)),
        ("/" + "a" * 255, ("a" * 255,)),
    ],
)
def test_names(path, names, location):
    assert find_names(url(path), location) == names


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "name of a file"),
        ("/a/", "name of a file"),
        ("/a/..", "name of a file"),
        ("/a.gmi?b", "query"),
        ("/a%2Fb", "encoded slash"),
        ("/%2Fa", "encoded slash"),
        ("/.a", "dot"),
        ("/a/.git/b", "dot"),
        ("/%2Ea", "dot"),
        ("/.well-known/a", "dot"),
        ("/.gemd-upload-0123", "dot"),
        ("/%0Aa", "control"),
        ("/a%7F/b", "control"),
        ("/%E2%80%AEa", "control"),
        ("/%FF", "UTF-8"),
        ("/" + "a" * 256, "255 bytes"),
        ("/" + "%C3%A4" * 128, "255 bytes"),
    ],
)
def test_names_that_are_none(path, text, location):
    with pytest.raises(BadRequest, match=text):
        find_names(url(path) if "?" not in path else parse_url(b"titan://h/a.gmi;size=5?b"), location)


def test_a_dot_file_is_not_taken_where_they_may_be_seen(location):
    with pytest.raises(BadRequest):
        find_names(url("/.a"), Location(root=location.root, dot_files=True))


def test_names_are_below_a_root_of_its_own():
    location = Location(path="/wiki", mount=("wiki",), root="/srv/wiki")
    assert find_names(url("/wiki/a/b"), location) == ("a", "b")
    with pytest.raises(BadRequest):
        find_names(url("/wiki"), location)


def test_an_encoded_slash_hides_no_name_from_where_a_root_begins():
    location = Location(path="/notes/wiki", mount=("notes", "wiki"), root="/srv/wiki")
    with pytest.raises(BadRequest, match="encoded slash"):
        find_names(url("/notes%2Fwiki/a/b"), location)


# What is there


def opened(location, *names, mkdir=False):
    with opened_target(location, names, mkdir=mkdir) as target:
        assert stat.S_ISDIR(os.fstat(target.directory).st_mode)
        way = [(os.stat(location.root).st_dev, os.stat(location.root).st_ino)]
        here = Path(location.root)
        for name in names[: len(target.way) - 1]:
            here = here / name
            way.append((here.stat().st_dev, here.stat().st_ino))
        assert list(target.way) == way
        assert target.name == names[-1]
        return target


def test_a_file_that_is_there(location):
    target = opened(location, "dir", "page.gmi")
    assert target.found.st_size == 9
    assert target.missing == ()
    assert len(target.way) == 2


def test_one_that_is_not(location):
    target = opened(location, "dir", "new.gmi")
    assert (target.found, target.missing) == (None, ())


def test_directories_that_are_missing(location):
    target = opened(location, "dir", "new", "newer", "a.gmi", mkdir=True)
    assert (target.found, target.missing, target.names) == (None, ("new", "newer"), ("dir", "new", "newer", "a.gmi"))
    assert len(target.way) == 2


def test_so_many_directories_are_made_and_no_more(location):
    names = [str(number) for number in range(32)]
    assert opened(location, *names, "a.gmi", mkdir=True).missing == tuple(names)
    with pytest.raises(BadRequest, match="At most 32 directories"):
        opened(location, *names, "one more", "a.gmi", mkdir=True)


@pytest.mark.parametrize(
    ("names", "status", "text"),
    [
        (("new", "a.gmi"), 51, "no such directory"),
        (("page.gmi", "a.gmi"), 51, "no such directory"),
        (("fifo", "a.gmi"), 51, "no such directory"),
        (("link", "a.gmi"), 50, "symbolic link leads there"),
        (("inside", "a.gmi"), 50, "symbolic link leads there"),
        (("link.gmi", "a.gmi"), 50, "symbolic link leads there"),
        (("link.gmi",), 50, "symbolic link of this name"),
        (("dangling.gmi",), 50, "symbolic link of this name"),
        (("link",), 50, "symbolic link of this name"),
        (("dir",), 50, "directory of this name"),
        (("fifo",), 50, "something else"),
    ],
)
def test_what_no_upload_goes_to(names, status, text, location):
    with pytest.raises(GeminiError, match=text) as caught:
        opened(location, *names)
    assert caught.value.status == status


def test_a_link_is_not_followed_to_make_a_directory(location):
    with pytest.raises(GeminiError, match="symbolic link leads there"):
        opened(location, "link", "new", "a.gmi", mkdir=True)


def test_a_file_that_is_read_only_stays(location, monkeypatch):
    monkeypatch.setattr(os, "access", lambda name, mode, **_: not (name == "page.gmi" and mode == os.W_OK))
    with pytest.raises(GeminiError, match="read-only") as caught:
        opened(location, "page.gmi")
    assert caught.value.status == 50


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to everything")
def test_a_file_without_the_right_to_write_stays(location):
    Path(location.root, "page.gmi").chmod(0o444)
    with pytest.raises(GeminiError, match="read-only"):
        opened(location, "page.gmi")


def test_a_root_that_is_gone_is_told_of_later(location, caplog):
    with pytest.raises(GeminiError, match="not available") as caught:
        opened(Location(root=location.root + "-gone"), "a.gmi")
    assert caught.value.status == 40


@pytest.mark.parametrize("function", ["open", "stat"])
def test_a_disk_that_fails_is_a_matter_of_the_moment(function, location, monkeypatch):
    real = getattr(os, function)

    def fail(path, *arguments, **keywords):
        if path in ("dir", "page.gmi"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(GeminiError, match="at the moment") as caught:
        opened(location, "dir", "page.gmi")
    assert caught.value.status == 40


# Directories that are made


def make(location, *names):
    with opened_target(location, names, mkdir=True) as target, made_directory(target) as directory:
        os.close(os.open(names[-1], os.O_CREAT | os.O_WRONLY, dir_fd=directory))


def test_directories_are_made(location):
    before = os.umask(0o027)
    try:
        make(location, "dir", "new", "newer", "a.gmi")
    finally:
        os.umask(before)
    assert Path(location.root, "dir/new/newer/a.gmi").exists()
    assert stat.S_IMODE(Path(location.root, "dir/new").stat().st_mode) == 0o750


def test_none_is_made_where_none_is_missing(location, monkeypatch):
    monkeypatch.setattr(os, "mkdir", lambda *_, **__: pytest.fail("nothing is missing"))
    make(location, "dir", "a.gmi")
    assert Path(location.root, "dir/a.gmi").exists()


def test_what_was_made_is_taken_back_where_it_fails(location):
    def fail():
        with opened_target(location, ("dir", "new", "newer", "a"), mkdir=True) as target, made_directory(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        fail()
    assert sorted(os.listdir(Path(location.root, "dir"))) == ["deep", "page.gmi"]


def test_what_others_have_put_there_meanwhile_stays(location):
    def fail():
        with opened_target(location, ("new", "newer", "a"), mkdir=True) as target, made_directory(target):
            Path(location.root, "new/b.gmi").write_text("another one's")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        fail()
    assert os.listdir(Path(location.root, "new")) == ["b.gmi"]


def test_another_upload_may_be_faster(location):
    with opened_target(location, ("new", "a"), mkdir=True) as target:
        Path(location.root, "new").mkdir()
        with pytest.raises(OSError, match="No space"), made_directory(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert Path(location.root, "new").is_dir()  # it was not made here
        with made_directory(target) as directory:
            assert os.fstat(directory).st_ino == Path(location.root, "new").stat().st_ino


def test_a_link_that_comes_between_is_not_followed(location, tmp_path):
    with opened_target(location, ("new", "newer", "a"), mkdir=True) as target:
        Path(location.root, "new").symlink_to(tmp_path / "outside")
        with pytest.raises(NotADirectoryError), made_directory(target):
            pytest.fail("it leads out of the root")
    assert os.listdir(tmp_path / "outside") == []


def test_a_full_disk_makes_none(location, monkeypatch):
    real, calls = module.sync_directory, []

    def sync(directory):
        calls.append(directory)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(directory)

    monkeypatch.setattr(module, "sync_directory", sync)
    with pytest.raises(OSError, match="No space"):
        make(location, "new", "newer", "newest", "a")
    assert not Path(location.root, "new").exists()
