"""Opening files so that no path, link or race leads out of a directory.

Rule: a path is resolved by the kernel below an open directory (openat2(2), RESOLVE_BENEATH), never checked first and
opened later. Where the kernel lacks openat2, each component is opened in turn without following links, so that symbolic
links are refused altogether.
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Sequence

from gemd.config.types import Symlinks

_SYS_OPENAT2 = 437  # the same on every architecture that has it
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_RESOLVE: dict[Symlinks, int] = {
    "beneath": _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS,
    "none": _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS,
    "any": _RESOLVE_NO_MAGICLINKS,
}
# O_NONBLOCK: a FIFO without a writer must not hold its reader. O_NOCTTY: nor a terminal become ours.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_SEEN_FLAGS = os.O_PATH | os.O_CLOEXEC  # to see what it is, and not what it has
_RETRIES = 100  # openat2 answers EAGAIN when a rename somewhere raced with it


class _OpenHow(ctypes.Structure):
    """struct open_how of <linux/openat2.h>."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_HOW = {
    (policy, is_read): _OpenHow(_FLAGS if is_read else _SEEN_FLAGS, 0, resolve)
    for policy, resolve in _RESOLVE.items()
    for is_read in (True, False)
}
_HOW_POINTER = {key: ctypes.byref(how) for key, how in _HOW.items()}
_HOW_SIZE = ctypes.c_size_t(ctypes.sizeof(_OpenHow))


def open_root(path: str) -> int:
    """A descriptor of the directory `path`, to open things beneath it. Links on the way to it are followed."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def open_beneath(root: int, names: Sequence[str], symlinks: Symlinks, *, is_read: bool = True) -> int:
    """Open for reading what `names` lead to below the directory descriptor `root`; no names: the directory itself. What
    is not to be read need not be readable.

    Raises OSError: EXDEV for a way out, ELOOP for a link that the policy forbids, EINVAL for a name with a slash, or
    what open(2) says. A ".." among the names is a way out like any other.
    """
    _refuse_impossible(names)
    path = os.fsencode("/".join(names)) or b"."
    how = _HOW_POINTER[symlinks, is_read]
    for _ in range(_RETRIES):
        descriptor = _syscall(_SYS_OPENAT2, root, path, how, _HOW_SIZE)
        if descriptor >= 0:
            return int(descriptor)
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM) and not has_openat2():
            return open_by_components(root, names, is_read=is_read)
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number))


def open_directory(root: int, names: Sequence[str]) -> int:
    """The directory that `names` lead to below `root` without a link, to open things beneath it: it need not be
    readable. Raises OSError."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    _refuse_impossible(names)
    directory = os.open(".", flags, dir_fd=root)
    for name in names:
        parent = directory
        try:
            directory = os.open(name, flags, dir_fd=parent)
        finally:
            os.close(parent)
    return directory


def open_by_components(root: int, names: Sequence[str], *, is_read: bool = True) -> int:
    """The same without openat2(2): one component after the other, no symbolic link followed."""
    _refuse_impossible(names)
    flags = (_FLAGS if is_read else _SEEN_FLAGS) | os.O_NOFOLLOW
    with contextlib.ExitStack() as opened:
        directory = root
        for name in names[:-1]:
            directory = os.open(name, flags | os.O_DIRECTORY, dir_fd=directory)
            opened.callback(os.close, directory)
        descriptor = os.open(names[-1] if names else ".", flags, dir_fd=directory)
    if not is_read and stat.S_ISLNK(os.fstat(descriptor).st_mode):  # the link itself can be opened so
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return descriptor


def _refuse_impossible(names: Sequence[str]) -> None:
    """Refuse what the kernel would allow: ".." that stays inside, or anywhere with links to anywhere; and a slash in a
    name, which would lead through a directory that nobody has looked at."""
    if ".." in names:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    if "/" in "".join(names):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def has_openat2() -> bool:
    """Whether this kernel, and whatever filters its calls, offers openat2(2) (Linux 5.6)."""
    descriptor = _syscall(_SYS_OPENAT2, -100, b"/", _HOW_POINTER["any", True], _HOW_SIZE)
    if descriptor >= 0:
        os.close(descriptor)
    return bool(descriptor >= 0)
