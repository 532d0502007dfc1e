"""Who is alive: pure bookkeeping of workers and slots. No process is touched here; the master acts on what it says.

Rules: a slot has at most one worker; workers that die young make the next spawn wait, twice as long each time; a
worker is late only by time in which the master itself was awake. Called by the master.
"""

from collections.abc import Mapping

import msgspec

YOUNG = 1.0  # seconds; who dies before that may die of the same cause again
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 30.0
_SLACK = 2.0  # a master that slept this many seconds longer than it meant to was stopped itself


class Child(msgspec.Struct):
    """A running worker. Times are monotonic seconds."""

    nr: int
    pid: int
    born: float


class Children:
    """The workers of `count` slots."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.early_deaths = 0
        self._by_pid: dict[int, Child] = {}
        self._quick_deaths = 0
        self._next_spawn = 0.0
        self._awake_since = 0.0
        self._asleep_until: float | None = None

    def __len__(self) -> int:
        """How many are alive."""
        return len(self._by_pid)

    @property
    def pids(self) -> list[int]:
        """Those alive, by slot."""
        return [child.pid for child in sorted(self._by_pid.values(), key=lambda child: child.nr)]

    def add(self, nr: int, pid: int, now: float) -> None:
        """A worker was spawned into slot `nr`."""
        self._by_pid[pid] = Child(nr, pid, now)

    def remove(self, pid: int, now: float, *, served: bool) -> Child | None:
        """A process was reaped; None if it was no worker. `served` says whether it had ever ticked."""
        child = self._by_pid.pop(pid, None)
        if child is None:
            return None
        self.early_deaths = 0 if served else self.early_deaths + 1
        if served and now - child.born >= YOUNG:
            self._quick_deaths = 0
        else:
            self.delay_spawn(now)
        return child

    def delay_spawn(self, now: float) -> float:
        """A worker died young, or could not be forked: wait before the next. Returns the delay in seconds."""
        delay = min(_FIRST_DELAY * float(1 << self._quick_deaths), _LONGEST_DELAY)
        self._quick_deaths = min(self._quick_deaths + 1, 16)
        self._next_spawn = now + delay
        return delay

    def slot_of(self, pid: int) -> int | None:
        """The slot of a worker; None if the pid is no worker's."""
        child = self._by_pid.get(pid)
        return child.nr if child is not None else None

    def missing(self, now: float) -> list[int]:
        """The empty slots that may be filled now: one at a time while workers die young."""
        if now < self._next_spawn:
            return []
        taken = {child.nr for child in self._by_pid.values()}
        empty = [nr for nr in range(self.count) if nr not in taken]
        return empty[:1] if self._quick_deaths else empty

    def late(self, now: float, ticks: Mapping[int, float | None], timeout: float) -> list[Child]:
        """Those without a sign of life for `timeout` seconds; `ticks` are the last ones by slot."""
        return [
            child
            for child in self._by_pid.values()
            if now - max(ticks.get(child.nr) or child.born, child.born, self._awake_since) > timeout
        ]

    def sleep_until(self, moment: float) -> None:
        """The master means to look again at `moment` at the latest."""
        self._asleep_until = moment

    def awake(self, now: float) -> None:
        """The master looks again. When it was stopped meanwhile, nobody is late for that; when all workers have
        grown up, those that died young are forgotten."""
        if self._asleep_until is not None and now > self._asleep_until + _SLACK:
            self._awake_since = now
        if len(self) == self.count and all(now - child.born >= YOUNG for child in self._by_pid.values()):
            self._quick_deaths = 0

    def until_spawn(self, now: float) -> float | None:
        """Seconds until a missing worker may be spawned; None when none is missing."""
        return max(0.01, self._next_spawn - now) if len(self) < self.count else None
