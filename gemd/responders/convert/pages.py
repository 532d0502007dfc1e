"""Pages that were converted, which are good for as long as their files are what they were.

Rules: they take a bounded amount of memory and are so many at most, and the one that was not asked for longest goes; a
file that has just changed may change again without a trace in its times, so that its page is not kept.
"""

import os
from collections import OrderedDict
from collections.abc import Hashable

from gemd.protocol.response import Response

_MAX_SIZE = 16 * 1024 * 1024  # bytes, of all pages in a worker
_MAX_PAGES = 4096
_OVERHEAD = 1024  # bytes of one for what is not its text
_SETTLED = 2_000_000_000  # nanoseconds; a file system may count in steps of two seconds


class ConvertedPage(Response, frozen=True):
    """The answer with one, which is not that with a file."""


class ConvertedPages:
    """By a key for each file and its converter, which has what `find_state` says of the file."""

    def __init__(self, max_size: int = _MAX_SIZE, max_pages: int = _MAX_PAGES) -> None:
        self._max_size = max_size
        self._max_pages = max_pages
        self._pages: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0

    def find(self, key: Hashable) -> bytes | None:
        """The page, if it is known."""
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
        return page

    def keep(self, key: Hashable, page: bytes) -> None:
        """Remember it."""
        size = len(page) + _OVERHEAD
        if key in self._pages or size > self._max_size // 2:
            return
        self._pages[key] = page
        self._size += size
        while self._size > self._max_size or len(self._pages) > self._max_pages:
            _, page = self._pages.popitem(last=False)
            self._size -= len(page) + _OVERHEAD


def find_state(status: os.stat_result) -> tuple[int, ...]:
    """Which file it is, and which state of it."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def is_settled(status: os.stat_result, moment: int) -> bool:
    """Whether what changes the file after `moment`, in nanoseconds of the day, shows in that."""
    return moment - status.st_ctime_ns >= _SETTLED
