"""Files without a name."""

import errno
import os
import stat

import pytest

from gemd.system.unnamed_file import open_unnamed


@pytest.fixture
def directory(tmp_path):
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def refuse(monkeypatch):
    """Have every file refused with this error."""

    def refuse(code):
        def fail(*_arguments, **_options):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "open", fail)

    return refuse


def give_name(descriptor, directory):
    os.link(f"/proc/self/fd/{descriptor}", "a", dst_dir_fd=directory, follow_symlinks=True)


def test_it_is_written_and_read_and_can_be_given_a_name(directory, tmp_path):
    descriptor = open_unnamed(directory, 0o600)
    assert descriptor is not None
    try:
        os.write(descriptor, b"hello")
        assert os.pread(descriptor, 10, 0) == b"hello"
        assert list(tmp_path.iterdir()) == []
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
        assert not os.get_inheritable(descriptor)
        give_name(descriptor, directory)
    finally:
        os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"hello"


def test_or_never(directory):
    descriptor = open_unnamed(directory, 0o600, os.O_EXCL)
    assert descriptor is not None
    try:
        with pytest.raises(FileNotFoundError):
            give_name(descriptor, directory)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL])
def test_there_are_none_everywhere(directory, refuse, code):
    refuse(code)
    assert open_unnamed(directory, 0o600) is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_is_wrong_otherwise_is_said(directory, refuse, code):
    refuse(code)
    with pytest.raises(OSError) as caught:
        open_unnamed(directory, 0o600)
    assert caught.value.errno == code
