"""Memory that all processes of gemd share, and of which each can leave all but a part alone.

Rule: what one process wrote where it should not is to end that process, and no other.
"""

import ctypes
import mmap
import os

PAGE = mmap.PAGESIZE  # bytes; access can be given to whole ones

_libc = ctypes.CDLL(None, use_errno=True)


class SharedMemory:
    """Anonymous memory of `size` bytes, all of them 0, in whole pages. Who forks shares it with the child."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size)
        self.octets = memoryview(self._memory)

    def write_only(self, start: int, size: int) -> None:
        """Have this process be able to write this part alone, in whole pages, and read all others. A write elsewhere
        ends it by SIGSEGV. Raises OSError."""
        end = start + size
        _forbid_writing(self._memory, 0, start)
        _forbid_writing(self._memory, end, len(self._memory) - end)


def _forbid_writing(memory: mmap.mmap, start: int, size: int) -> None:
    if not size:
        return
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + start
    if _libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), mmap.PROT_READ) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
