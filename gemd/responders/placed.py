"""What a thread works out in one of a few places: others, who want threads for something else, keep theirs.

Rule: who has no place yet has no thread either, and waits for no longer than it may.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gemd.protocol.errors import Overloaded
from gemd.protocol.response import Helper
from gemd.responders.computed import Computed
from gemd.responders.turns import Turns
from gemd.system.places import Place, Places

_T = TypeVar("_T")


class _NoTurns(Turns):
    """Whoever has a place may begin."""

    @contextmanager
    def turn_of(self, client: str) -> Iterator[None]:
        yield


_no_turns = _NoTurns()


class Placed(Computed[_T]):
    """`compute` works it out within so many seconds, as for any `Computed`; nobody waits who already has so many that
    wait."""

    def __init__(self, compute: Callable[[], _T], places: Places, max_waiting: int, timeout: float) -> None:
        super().__init__(compute, _no_turns)
        self.deadline = time.monotonic() + timeout
        self._places = places
        self._max_waiting = max_waiting
        self._place: Place | None = None

    def begin(self, helper: Helper) -> None:
        """Have a thread do the work once this client has a place."""
        if self._places.count_waiting(helper.client) >= self._max_waiting:
            self._outcome.set_exception(Overloaded())
        else:
            self._place = self._places.request(helper.client, lambda place: self._start(place, helper))

    def _start(self, place: Place, helper: Helper) -> None:
        """Runs in the event loop, or in a thread that leaves its place."""

        def work() -> None:
            try:
                self._work(helper)
            finally:
                place.leave()

        if self._outcome.cancelled() or helper.run(work) is None:
            place.leave()
            if not self._outcome.cancelled():
                self._outcome.set_exception(Overloaded())
            helper.wake()

    def close(self) -> None:
        """It is not begun, if it was not yet; a thread that is at work finishes it for nobody."""
        super().close()
        if self._place is not None:
            self._place.withdraw()
