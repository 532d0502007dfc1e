"""Turns: of a kind of work one piece at a time is done, in turn by client.

Rule: who has had its turn for too long, and so must be waiting for a disk, does not hold up the others, who go on one
at a time.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gemd.system.places import Place, Places

_TIMEOUT = 5.0  # seconds for one turn, unless nobody waits
_LOOK_INTERVAL = 1.0  # seconds at most between two looks at whose turn it is


class Turns:
    """Runs in threads, which wait for their turn."""

    def __init__(self) -> None:
        self._places = Places(1, 1)
        self._lock = threading.Lock()
        self._current: Place | None = None
        self._ends_at = 0.0

    @contextmanager
    def turn_of(self, client: str) -> Iterator[None]:
        """Wait for the turn, and have it inside."""
        has_begun = threading.Event()

        def begin(place: Place) -> None:
            with self._lock:
                self._current, self._ends_at = place, time.monotonic() + _TIMEOUT
            has_begun.set()

        place = self._places.request(client, begin)
        while not has_begun.wait(min(_LOOK_INTERVAL, _TIMEOUT)):
            self._pass_on()
        try:
            yield
        finally:
            self._end(place)

    def _pass_on(self) -> None:
        """Let the next one go on where the current one takes too long."""
        with self._lock:
            late = self._current if time.monotonic() >= self._ends_at else None
        if late is not None:
            self._end(late)

    def _end(self, place: Place) -> None:
        """The turn is over, if it was not before."""
        with self._lock:
            if self._current is not place:
                return
            self._current = None
        place.leave()
