"""Landlock: what a thread, and all that it starts from then on, may still do with files, and whom it may signal.

Rules: what a ruleset handles is forbidden unless a rule allows it for a file or for all that lies below a directory; a
right that this kernel does not know is not asked for; a thread that was restricted never gets out. See landlock(7).
"""

import ctypes
import enum
import os
import stat
import struct

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION = 1
_PATH_BENEATH = 1
_SCOPE_SIGNAL = 2

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


class Access(enum.IntFlag):
    """What may be done with a file, or in a directory and below it: LANDLOCK_ACCESS_FS_ of <linux/landlock.h>."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13  # to rename and link from one directory to another
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Access.EXECUTE | Access.READ_FILE | Access.READ_DIR
ALL = Access((1 << 16) - 1)
_OF_FILES = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
_ADDED = {2: Access.REFER, 3: Access.TRUNCATE, 5: Access.IOCTL_DEV}  # by version; all others came with the first
_SCOPES_SINCE = 6


def find_version() -> int:
    """The version of Landlock that this kernel offers, its ABI; 0 where it has none, or must not be asked."""
    return max(0, int(_syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def rights_of(version: int) -> Access:
    """All rights that a version knows."""
    missing = Access(0)
    for since, access in _ADDED.items():
        if version < since:
            missing |= access
    return ALL & ~missing


class Ruleset:
    """What is forbidden, and the exceptions. Signals to whoever is not restricted by it are forbidden as well, where
    the kernel can do that (version 6)."""

    def __init__(self, handled: Access) -> None:
        """Forbid this, but for what is allowed later. Raises OSError."""
        version = find_version()
        # Numbers: a rule for each file of a directory takes half as long as with flags.
        self._handled = int(handled & rights_of(version))
        self._of_files = self._handled & int(_OF_FILES)
        scoped = _SCOPE_SIGNAL if version >= _SCOPES_SINCE else 0
        attributes = struct.pack("=QQQ", self._handled, 0, scoped)
        size = len(attributes) if scoped else 8
        self._descriptor = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)

    def allow(self, path: str, access: Access) -> None:
        """Allow this for the file at `path`, or for all below a directory, if there is one within reach. A symbolic
        link is nothing to allow: what it leads to counts. Raises OSError where the kernel refuses."""
        try:
            descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        try:
            mode = os.fstat(descriptor).st_mode
            rights = int(access) & (self._handled if stat.S_ISDIR(mode) else self._of_files)
            if rights and not stat.S_ISLNK(mode):
                _call(_ADD_RULE, self._descriptor, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
        finally:
            os.close(descriptor)

    def restrict_thread(self) -> None:
        """Restrict the thread that calls this, which must not gain privileges by exec. Raises OSError."""
        _call(_RESTRICT_SELF, self._descriptor, 0)

    def close(self) -> None:
        """Close it; who is restricted stays so."""
        os.close(self._descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
