"""Listings that were worked out a moment ago, and are good for as long as their directories have not changed.

Rules: they take a bounded amount of memory, and the one that was not asked for longest goes; what changes inside of a
file changes no directory, so that none is good for longer than some seconds.
"""

import os
import time
from collections.abc import Hashable

import msgspec

from gemd.protocol.response import Response
from gemd.responders.bounded import Bounded
from gemd.system.file_state import State, find_state, is_settled

_MAX_AGE = 5.0  # seconds
_MAX_SIZE = 16 * 1024 * 1024  # bytes, of all listings in a worker
_OVERHEAD = 1024  # bytes of one for what is not its text: its key, its response and its place here have some 700


class _Page(msgspec.Struct, frozen=True):
    response: Response
    state: State
    expiry: float


class RememberedListings:
    """By a key for each directory. `found` is what fstat(2) says of it. For any thread."""

    def __init__(self, max_size: int = _MAX_SIZE) -> None:
        self._pages: Bounded[Hashable, _Page] = Bounded(max_size, _measure, of="listings")

    def find(self, key: Hashable, found: os.stat_result) -> Response | None:
        """The listing, if it is known and good."""
        page = self._pages.find(key)
        if page is None:
            return None
        if page.state != find_state(found) or time.monotonic() >= page.expiry:
            self._pages.forget(key)
            return None
        return page.response

    def keep(self, key: Hashable, found: os.stat_result, response: Response) -> None:
        """Remember a listing that was worked out after `found`."""
        if is_settled(found):
            self._pages.keep(key, _Page(response, find_state(found), time.monotonic() + _MAX_AGE))


def _measure(page: _Page) -> int:
    assert isinstance(page.response.body, bytes)
    return len(page.response.body) + _OVERHEAD
