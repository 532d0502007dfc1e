"""Listings that were worked out a moment ago, and are good for as long as their directories have not changed.

Rules: they take a bounded amount of memory, and the one that was not asked for longest goes; what changes inside of a
file changes no directory, so that none is good for longer than some seconds.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from gemd.protocol.response import Response

_MAX_AGE = 5.0  # seconds
_MAX_SIZE = 16 * 1024 * 1024  # bytes, of all listings in a worker
_OVERHEAD = 1024  # bytes of one for what is not its text: its key, its response and its place here have some 700
_SETTLED = 1_000_000_000  # nanoseconds: a directory that changed later may change again without a trace in its times


class _Page(msgspec.Struct, frozen=True):
    response: Response
    version: tuple[int, ...]
    expiry: float
    size: int


class RememberedListings:
    """By a key for each directory. `found` is what fstat(2) says of it. For any thread."""

    def __init__(self, max_size: int = _MAX_SIZE) -> None:
        self._max_size = max_size
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def find(self, key: Hashable, found: os.stat_result) -> Response | None:
        """The listing, if it is known and good."""
        with self._lock:
            page = self._pages.get(key)
            if page is None:
                return None
            if page.version != _version(found) or time.monotonic() >= page.expiry:
                self._forget(key)
                return None
            self._pages.move_to_end(key)
            return page.response

    def keep(self, key: Hashable, found: os.stat_result, response: Response) -> None:
        """Remember a listing that was worked out after `found`."""
        assert isinstance(response.body, bytes)
        size = len(response.body) + _OVERHEAD
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED or size > self._max_size // 2:
            return
        with self._lock:
            if key in self._pages:
                self._forget(key)
            self._pages[key] = _Page(response, _version(found), time.monotonic() + _MAX_AGE, size)
            self._size += size
            while self._size > self._max_size:
                self._forget(next(iter(self._pages)))

    def _forget(self, key: Hashable) -> None:
        self._size -= self._pages.pop(key).size


def _version(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
