"""Files without a name, in a directory that is known by its descriptor."""

import errno
import os
from types import SimpleNamespace

import pytest

from gemd.system.spool_directory import open_spool_directory


@pytest.fixture
def spool(tmp_path):
    directory = open_spool_directory(str(tmp_path))
    yield directory
    directory.close()


@pytest.fixture
def named(spool, monkeypatch):
    """On a file system that has no files without a name."""
    real = os.open

    def refuse(path, flags, *arguments, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no such thing")
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    return spool


@pytest.fixture(params=["spool", "named"])
def either(request):
    return request.getfixturevalue(request.param)


def test_a_file_is_written_and_read_and_has_no_name(either, tmp_path):
    descriptor = either.make_file()
    try:
        os.write(descriptor, b"body")
        assert os.pread(descriptor, 10, 0) == b"body"
        assert os.fstat(descriptor).st_nlink == 0
        assert os.fstat(descriptor).st_mode & 0o777 == 0o444
        assert not os.get_inheritable(descriptor)
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(descriptor)


def test_each_is_another_one(either):
    descriptors = [either.make_file() for _ in range(3)]
    assert len({os.fstat(descriptor).st_ino for descriptor in descriptors}) == 3
    for descriptor in descriptors:
        os.close(descriptor)


def test_where_the_directory_is_now_does_not_matter(spool, tmp_path):
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    try:
        os.close(spool.make_file())
    finally:
        moved.rename(tmp_path)


def test_no_room_is_no_reason_to_try_otherwise(spool, monkeypatch, tmp_path):
    def fail(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="No space left"):
        spool.make_file()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_stays_is_a_failure(named, monkeypatch):
    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "unlink", lambda *_arguments, **_options: os.stat("/nothing"))
    with pytest.raises(FileNotFoundError):
        named.make_file()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_what_is_no_directory_is_none(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        open_spool_directory(str(tmp_path / name))


ROOMS = {"too little": (9, False), "enough": (10, True), "not told": (0, True)}


@pytest.mark.parametrize(("blocks", "fits"), ROOMS.values(), ids=ROOMS)
def test_a_file_for_which_there_is_no_room_is_not_made(spool, monkeypatch, blocks, fits):
    room = SimpleNamespace(f_blocks=blocks, f_bavail=blocks, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    if fits:
        os.close(spool.make_file(40_000))
    else:
        with pytest.raises(OSError, match="No space left"):
            spool.make_file(40_000)
