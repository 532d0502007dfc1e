"""A file in the making: what is uploaded to a directory, without a name there until all of it is on the disk.

Rules: it has no name at all (O_TMPFILE) where the file system and /proc allow that, else a hidden one, as it has for a
moment where it replaces a file; whoever writes it holds a lock on it, so that one which is left over can be told.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat

from gemd.config.host_settings import PART_PREFIX
from gemd.system.unnamed_file import open_unnamed

_MODE = 0o644  # of a new file, less the umask
_DATA = 0o666  # of the bits of a file that is replaced: neither is it executable, nor does it lend anybody's rights
_GROUP, _OTHERS = 0o060, 0o006
_ACCESS_LIST = "system.posix_acl_access"  # acl(5)
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NO_RESERVE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NO_SYNC = frozenset({errno.EINVAL, errno.EROFS})


class UploadPart:
    """To be opened, written by its `descriptor`, and published or closed: in threads, for all of it may wait for a
    disk."""

    def __init__(self, directory: int, size: int) -> None:
        """One of `size` bytes in an open directory, which has room for it. Raises OSError."""
        self._hidden: str | None = None
        self._directory = os.dup(directory)
        try:
            self.descriptor = self._open()
        except OSError:
            os.close(self._directory)
            raise
        try:
            _reserve(self.descriptor, size)
        except OSError:
            self.close()
            raise

    def _open(self) -> int:
        unnamed = open_unnamed(self._directory, _MODE)
        if unnamed is not None:
            if os.path.exists(_way_to(unnamed)):  # not in a chroot without /proc, where it could get no name
                _lock(unnamed)
                return unnamed
            os.close(unnamed)
        while True:
            name = PART_PREFIX + secrets.token_hex(8)
            descriptor = os.open(name, _FLAGS, _MODE, dir_fd=self._directory)
            if _lock(descriptor):
                self._hidden = name
                return descriptor
            os.close(descriptor)  # somebody sweeps it away

    def publish(self, directory: int, name: str) -> None:
        """Give it its name in an open directory of the same file system, for good and in the place of a file that may
        be there. Raises OSError: EISDIR, EEXIST or ELOOP for what is no regular file."""
        former = find_regular(directory, name)
        if former is not None:
            _take_after(self.descriptor, former, _find_access_list(directory, name))
        os.fsync(self.descriptor)
        if self._hidden is not None or former is not None or not self._link(directory, name):
            self._rename(directory, name)
        sync_directory(directory)

    def _link(self, directory: int, name: str) -> bool:
        """Whether it has the name now; not where somebody else was faster."""
        try:
            os.link(_way_to(self.descriptor), name, dst_dir_fd=directory, follow_symlinks=True)
        except FileExistsError:
            return False
        return True

    def _rename(self, directory: int, name: str) -> None:
        if self._hidden is None:
            hidden = PART_PREFIX + secrets.token_hex(8)
            os.link(_way_to(self.descriptor), hidden, dst_dir_fd=self._directory, follow_symlinks=True)
            self._hidden = hidden
        find_regular(directory, name)  # whatever has come meanwhile
        os.rename(self._hidden, name, src_dir_fd=self._directory, dst_dir_fd=directory)
        self._hidden = None

    def close(self) -> None:
        """Close it; what has no name by now is gone."""
        if self._hidden is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._hidden, dir_fd=self._directory)
        os.close(self._directory)
        os.close(self.descriptor)


def find_regular(directory: int, name: str) -> os.stat_result | None:
    """What is there by this name; None for nothing. Raises OSError: EISDIR for a directory, ELOOP for a symbolic link,
    EEXIST for a device and the like."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        codes = {stat.S_IFDIR: errno.EISDIR, stat.S_IFLNK: errno.ELOOP}
        code = codes.get(stat.S_IFMT(found.st_mode), errno.EEXIST)
        raise OSError(code, os.strerror(code))
    return found


def sync_directory(directory: int) -> None:
    """Have the names in an open directory on the disk. One that can't be read is left to its file system. Raises
    OSError."""
    try:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except PermissionError:
        return
    try:
        os.fsync(readable)
    except OSError as error:
        if error.errno not in _NO_SYNC:  # as some file systems answer that have nothing to do
            raise
    finally:
        os.close(readable)


def _lock(descriptor: int) -> bool:
    """Whether it is this process's now, or can't be locked where it lies, and then it is never swept away."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return os.fstat(descriptor).st_nlink > 0


def _reserve(descriptor: int, size: int) -> None:
    """See that there is room for so many bytes. Raises OSError."""
    if not size:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in _NO_RESERVE:
            raise


def _find_access_list(directory: int, name: str) -> bytes | None:
    """The access control list of a file, as far as it can be read; None for none."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None
    try:
        return os.getxattr(descriptor, _ACCESS_LIST)
    except OSError:  # for nearly all
        return None
    finally:
        os.close(descriptor)


def _take_after(descriptor: int, former: os.stat_result, access_list: bytes | None) -> None:
    """Give the file the group, if that may be, and the mode and access control list of the one that it replaces. Nobody
    gets more rights by that: to another group goes what all others have, and with a list the bits of the group are only
    its mask."""
    mode = former.st_mode & _DATA
    try:
        if os.fstat(descriptor).st_gid != former.st_gid:
            os.fchown(descriptor, -1, former.st_gid)
        if access_list is not None:
            os.setxattr(descriptor, _ACCESS_LIST, access_list)
    except OSError:
        mode = mode & ~_GROUP | (mode & _OTHERS) << 3
    os.fchmod(descriptor, mode)


def _way_to(descriptor: int) -> str:
    """A path of what is open, for link(2)."""
    return f"/proc/self/fd/{descriptor}"
