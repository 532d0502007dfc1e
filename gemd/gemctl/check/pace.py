"""How fast a server is asked, and for how long in all.

Rules: one request at a time, with a pause before each; who says 44 is left alone for as long as it says, and who closes
connections before TLS for a while; nothing goes on after the end.
"""

import re
import time

from gemd.system.deadline import Deadline

_SECONDS = re.compile(r"\s*([0-9]{1,6})")
_LONGEST_WAIT = 60.0  # seconds, whatever a server says
_FIRST_WAIT = 1.0
POLITE = 0.1  # seconds between two requests, to others the least
MOST_TRIES = 4  # of one request, while the answer is 44


class OutOfTime(Exception):
    """What was to be checked could not be in the time that was given."""


class Pace:
    """At least `pause` seconds from one request to the next, and `seconds` in all."""

    def __init__(self, pause: float, seconds: float) -> None:
        self._pause = pause
        self._end = Deadline(seconds)
        self._next = time.monotonic()

    def step(self) -> None:
        """Wait until the next request may be made. Raises OutOfTime."""
        self._sleep(self._next - time.monotonic())
        self._next = time.monotonic() + self._pause

    def slow_down(self, meta: str, tries: int) -> None:
        """Wait as long as an answer 44 with this text says, or twice as long each time. Raises OutOfTime."""
        told = _SECONDS.match(meta)
        wait = float(told[1]) if told else _FIRST_WAIT * 2.0**tries
        self._sleep(min(max(wait, _FIRST_WAIT / 4), _LONGEST_WAIT))

    def make_room(self, tries: int) -> None:
        """Wait until who has limited connections may take one again. Raises OutOfTime."""
        self._sleep(_FIRST_WAIT * 2.0**tries)

    def for_others(self) -> "Pace":
        """The same until the same end, for servers of others: never without a pause."""
        return Pace(max(self._pause, POLITE), self._end.remaining())

    def limit(self, seconds: float) -> float:
        """As many seconds, or as are left. Raises OutOfTime where none are."""
        remaining = self._end.remaining()
        if not remaining:
            raise OutOfTime
        return min(seconds, remaining)

    def _sleep(self, seconds: float) -> None:
        if seconds > self.limit(max(seconds, 0.001)):
            raise OutOfTime
        if seconds > 0:
            time.sleep(seconds)
