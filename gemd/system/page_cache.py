"""Reading a file without waiting for its disk.

Rules: what is in memory is read at once (preadv2(2), RWF_NOWAIT); for the rest the caller needs a thread. A file system
that can't tell (overlayfs, network file systems) counts as a disk, one that is memory itself (tmpfs) does not.
"""

import ctypes
import errno
import os
import threading

_TMPFS, _RAMFS = 0x01021994, 0x858458F6  # statfs(2)
_CANNOT_TELL = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})

_USUAL_SIZE = 64 * 1024


class _Buffer(threading.local):
    """One for each thread that reads: a new one for each piece would have to be filled with zeros."""

    def __init__(self) -> None:
        self.octets = memoryview(bytearray(_USUAL_SIZE))


_buffer = _Buffer()
_libc = ctypes.CDLL(None, use_errno=True)
_is_memory: dict[int, bool] = {}  # by device, for those that can't tell


def read_from_memory(descriptor: int, size: int, offset: int) -> bytes | None:
    """At most `size` bytes from `offset` on, b"" at the end of the file, None when they would have to be waited for.

    Raises OSError.
    """
    buffer = _buffer.octets[:size] if size <= _USUAL_SIZE else memoryview(bytearray(size))
    try:
        count = os.preadv(descriptor, (buffer,), offset, os.RWF_NOWAIT)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno not in _CANNOT_TELL:
            raise
        return os.pread(descriptor, size, offset) if _is_in_memory(descriptor) else None
    return bytes(buffer[:count])


def _is_in_memory(descriptor: int) -> bool:
    """Whether the file system of an open file has no disk."""
    device = os.fstat(descriptor).st_dev
    if device not in _is_memory:
        _is_memory[device] = _read_type(descriptor) in (_TMPFS, _RAMFS)
    return _is_memory[device]


def _read_type(descriptor: int) -> int:
    """f_type of fstatfs(2), which every architecture has first; 0 where it can't be had."""
    buffer = ctypes.create_string_buffer(512)
    if _libc.fstatfs(descriptor, buffer) != 0:
        return 0
    return int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_long)], "little") & 0xFFFFFFFF
