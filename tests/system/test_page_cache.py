import errno
import mmap
import os

import pytest

from gemd.system import page_cache
from gemd.system.page_cache import read_from_memory

CONTENT = os.urandom(200_000)


@pytest.fixture
def file(tmp_path):
    """The descriptor of a file of 200,000 bytes, which are on its disk."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def can_tell(file):
    """Skip where the file system of temporary files does not say what is in memory."""
    try:
        os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)
    except OSError as error:
        pytest.skip(f"this file system can't tell: {error.strerror}")


@pytest.fixture
def say(monkeypatch):
    """Have preadv raise an error."""

    def say(number):
        def fail(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "preadv", fail)
        monkeypatch.setattr(page_cache, "_is_memory", {})

    return say


@pytest.mark.parametrize(
    ("size", "offset"), [(1, 0), (200_000, 0), (64 * 1024, 100_000), (100, 199_950), (10, 200_000), (10, 10**12)]
)
def test_what_is_in_memory(file, can_tell, size, offset):
    os.pread(file, 200_000, 0)
    assert read_from_memory(file, size, offset) == CONTENT[offset : offset + size]


def test_a_piece_stays_what_it_was_when_the_next_is_read(file, can_tell):
    os.pread(file, 200_000, 0)
    pieces = [read_from_memory(file, 1000, offset) for offset in range(0, 5000, 1000)]
    assert b"".join(pieces) == CONTENT[:5000]


def test_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    descriptor = os.open(tmp_path / "empty", os.O_RDONLY)
    assert read_from_memory(descriptor, 10, 0) in (b"", None)  # None where the file system can't tell
    os.close(descriptor)


def test_what_is_not_in_memory(file, can_tell):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    if read_from_memory(file, 1, 0) is not None:
        pytest.skip("this file system keeps it in memory")
    assert read_from_memory(file, 64 * 1024, 0) is None
    assert os.pread(file, 10, 0) == CONTENT[:10]
    assert read_from_memory(file, 10, 0) == CONTENT[:10]


def test_what_is_in_memory_in_part(file, can_tell):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)  # so that nothing is read ahead
    os.pread(file, 1, 0)
    found = read_from_memory(file, 200_000, 0)
    assert found
    assert CONTENT.startswith(found)
    assert len(found) in (mmap.PAGESIZE, 200_000)


def test_a_disk_that_would_have_to_be_waited_for(file, say):
    say(errno.EAGAIN)
    assert read_from_memory(file, 10, 0) is None


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
@pytest.mark.parametrize(
    ("type_", "is_memory"), [(0x01021994, True), (0x858458F6, True), (0xEF53, False), (0x794C7630, False), (0, False)]
)
def test_a_file_system_that_can_not_tell(file, say, monkeypatch, number, type_, is_memory):
    say(number)
    asked = []
    monkeypatch.setattr(page_cache, "_read_type", lambda descriptor: asked.append(descriptor) or type_)
    for _ in range(2):
        assert read_from_memory(file, 10, 5) == (CONTENT[5:15] if is_memory else None)
    assert asked == [file]  # once for each device


def test_the_kind_of_a_file_system_is_the_kernel_s_word():
    """The ones that every Linux has: proc, and a memory file, which is of a tmpfs of its own."""
    with open("/proc/version", "rb") as file:  # noqa: PTH123
        assert page_cache._read_type(file.fileno()) == 0x9FA0
    descriptor = os.memfd_create("test")
    assert page_cache._is_in_memory(descriptor)
    os.write(descriptor, CONTENT)
    assert read_from_memory(descriptor, 100, 50) == CONTENT[50:150]
    os.close(descriptor)


def test_a_kind_that_can_not_be_had_is_none():
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.close(descriptor)
    assert page_cache._read_type(descriptor) == 0


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADF, errno.ESTALE])
def test_an_error_is_an_error(file, say, number):
    say(number)
    with pytest.raises(OSError) as caught:
        read_from_memory(file, 10, 0)
    assert caught.value.errno == number


def test_a_disk_that_fails_where_the_file_system_can_not_tell(file, say, monkeypatch):
    say(errno.EOPNOTSUPP)
    monkeypatch.setattr(page_cache, "_read_type", lambda _: 0x01021994)
    monkeypatch.setattr(os, "pread", os.preadv)
    with pytest.raises(OSError):
        read_from_memory(file, 10, 0)
