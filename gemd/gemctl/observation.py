"""What has been seen of a server that is looked at again and again: its rates, and what has become of it.

Rules: a server that can't be asked for a while, as during a restart, is said and no end; only the last of anything is
kept.
"""

import time
from collections import deque
from collections.abc import Sequence

import msgspec

from gemd.gemctl.failure import Failure
from gemd.gemctl.rates import Look, Rates, is_same_master, rates_between
from gemd.gemctl.status import Status
from gemd.gemctl.terminal import escape
from gemd.protocol.quantities import format_duration

_LONGEST_LINE = 1024  # values: no terminal is wider
_MOST_EVENTS = 4


class Event(msgspec.Struct, frozen=True):
    """Something that became of the server, and when."""

    at: float
    text: str

    def __str__(self) -> str:
        return f"{time.strftime('%H:%M:%S', time.localtime(self.at))} {self.text}"


class Observation:
    """`requests` are the last rates, with None where there is none; `away` says why there is no status now."""

    def __init__(self, first: Look) -> None:
        self.rates: Rates | None = None
        self.requests: deque[float | None] = deque(maxlen=_LONGEST_LINE)
        self.events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self.away: Sequence[str] = ()
        self._last = first
        self._away_since = 0.0

    @property
    def status(self) -> Status:
        """The last one that was had."""
        return self._last.status

    def take(self, look: Look) -> None:
        """The next look."""
        self._note(look)
        self.rates = rates_between(self._last, look)
        self.requests.append(None if self.rates is None else self.rates.requests)
        self._last, self.away = look, ()

    def miss(self, failure: Failure) -> None:
        """There was nobody to look at."""
        if not self.away:
            self._away_since = time.monotonic()
            self._tell(f"gemd can't be asked: {'; '.join(failure.lines)}")
        self.rates, self.away = None, failure.lines
        self.requests.append(None)

    def _note(self, look: Look) -> None:
        before, after = self._last.status, look.status
        if self.away:
            self._tell(f"gemd answers again, after {format_duration(time.monotonic() - self._away_since)}")
        if not is_same_master(self._last, look):
            self._tell(f"another master, {after.pid}: its counters begin with 0")
        elif before.generation != after.generation:
            self._tell(f"a reload: generation {after.generation} serves")
        if before.deaths < after.deaths and before.pid == after.pid:
            self._tell(f"workers that died: {after.deaths - before.deaths}")

    def _tell(self, text: str) -> None:
        self.events.append(Event(time.time(), escape(text)))
