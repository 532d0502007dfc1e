"""Who is alive: pure bookkeeping of workers, slots and generations. No process is touched here, the master acts.

Rules: a slot has at most one worker that is neither leaving nor draining in each generation; workers that die young
make the next spawn wait, twice as long each time; a worker is late only by time in which the master itself was awake.
"""

import enum
from collections.abc import Mapping

import msgspec

YOUNG = 1.0  # seconds; who dies before that may die of the same cause again
_MIN_DEATHS = 3  # in a row before any worker served, that say none ever will
_MIN_DELAY = 0.1
_MAX_DELAY = 30.0
_SLACK = 2.0  # a master that slept this many seconds longer than it meant to was stopped itself


class State(enum.Enum):
    """What a worker is at. One that is leaving still serves, and drains once there is another in its slot."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"
    DRAINING = "draining"


class Worker(msgspec.Struct, eq=False):
    """A running worker. `row` is its row of the scoreboard, `born` in monotonic seconds; after `quota` requests, unless
    that is 0, another takes its place."""

    nr: int
    pid: int
    row: int
    generation: int
    born: float
    quota: int = 0
    state: State = State.STARTING


class Workers:
    """All workers, with `rows` rows of the scoreboard to share among them."""

    def __init__(self, rows: int) -> None:
        self.early_deaths = 0
        self._by_pid: dict[int, Worker] = {}
        self._free_rows = list(range(rows - 1, -1, -1))
        self._quick_deaths = 0
        self.is_backing_off = False
        self._next_spawn = 0.0
        self._last_failure = 0.0
        self._awake_since = 0.0
        self._asleep_until: float | None = None

    def __len__(self) -> int:
        """How many are alive."""
        return len(self._by_pid)

    @property
    def pids(self) -> list[int]:
        """Those alive, by slot."""
        return [worker.pid for worker in self.all()]

    def all(self, *states: State) -> list[Worker]:
        """Those in one of these states, or in any, by slot and age."""
        some = [worker for worker in self._by_pid.values() if not states or worker.state in states]
        return sorted(some, key=lambda worker: (worker.nr, worker.born))

    def next_row(self) -> int | None:
        """The row of the next worker; None when all are taken."""
        return self._free_rows[-1] if self._free_rows else None

    def add(self, nr: int, pid: int, generation: int, now: float, quota: int = 0) -> Worker:
        """A worker was spawned into slot `nr`, with `next_row`."""
        worker = Worker(nr, pid, self._free_rows.pop(), generation, now, quota)
        self._by_pid[pid] = worker
        return worker

    def find(self, pid: int) -> Worker | None:
        """The worker with this pid."""
        return self._by_pid.get(pid)

    def remove(self, worker: Worker, now: float, *, served: bool) -> None:
        """A worker was reaped. `served` says whether it had ever ticked."""
        del self._by_pid[worker.pid]
        self._free_rows.append(worker.row)
        self.early_deaths = 0 if served else self.early_deaths + 1
        if worker.state is State.DRAINING:
            return
        if served and now - worker.born >= YOUNG:
            self._forget_failures()
        else:
            self.delay_spawn(now)
            self.is_backing_off = True

    def are_hopeless(self, slots: int) -> bool:
        """Whether so many have died before they served that others would too."""
        return self.early_deaths >= max(_MIN_DEATHS, slots)

    def delay_spawn(self, now: float, longest: float = _MAX_DELAY) -> float:
        """A worker died young, or could not be forked: wait before the next. Returns the delay in seconds."""
        delay = min(_MIN_DELAY * float(1 << self._quick_deaths), longest)
        self._quick_deaths = min(self._quick_deaths + 1, 16)
        self._last_failure = now
        self._next_spawn = now + delay
        return delay

    def reset_backoff(self) -> None:
        """Something was changed: the next spawn need not wait for what happened before."""
        self._forget_failures()
        self._next_spawn = 0.0

    def _forget_failures(self) -> None:
        self._quick_deaths = 0
        self.is_backing_off = False

    def missing(self, generation: int, count: int, now: float) -> list[int]:
        """Which of `count` slots lack a worker of this generation to stay, and may have one now: while workers die
        young one at a time, and the next when that one has grown up."""
        if now < self._next_spawn:
            return []
        empty = self._empty(generation, count)
        if not self.is_backing_off:
            return empty
        recent = (c for c in self._by_pid.values() if c.generation == generation and c.born >= self._last_failure)
        return [] if any(c.state is State.STARTING or now - c.born < YOUNG for c in recent) else empty[:1]

    def _empty(self, generation: int, count: int) -> list[int]:
        taken = {worker.nr for worker in self.all(State.STARTING, State.SERVING) if worker.generation == generation}
        return [nr for nr in range(count) if nr not in taken]

    def is_complete(self, generation: int, count: int) -> bool:
        """Whether each of `count` slots has a worker of this generation that serves."""
        return {c.nr for c in self.all(State.SERVING) if c.generation == generation} >= set(range(count))

    def superseded(self) -> list[Worker]:
        """Those who were leaving, and whose slot has another one of their generation that serves."""
        served = {(worker.generation, worker.nr) for worker in self.all(State.SERVING)}
        return [worker for worker in self.all(State.LEAVING) if (worker.generation, worker.nr) in served]

    def late(self, now: float, ticks: Mapping[int, float | None], timeout: float) -> list[Worker]:
        """Those without a sign of life for `timeout` seconds; `ticks` are the last ones by row."""
        return [
            worker
            for worker in self._by_pid.values()
            if now - max(ticks.get(worker.row) or worker.born, worker.born, self._awake_since) > timeout
        ]

    def sleep_until(self, moment: float) -> None:
        """The master means to look again at `moment` at the latest."""
        self._asleep_until = moment

    def awake(self, now: float) -> None:
        """The master looks again. When it was stopped meanwhile, nobody is late for that; when a worker has served and
        grown up that was born since one died young, that is forgotten."""
        if self._asleep_until is not None and now > self._asleep_until + _SLACK:
            self._awake_since = now
        grown_up = (c for c in self.all(State.SERVING, State.LEAVING) if now - c.born >= YOUNG)
        if any(worker.born >= self._last_failure for worker in grown_up):
            self._forget_failures()

    def until_spawn(self, counts: Mapping[int, int], now: float) -> float | None:
        """Seconds until a missing worker may be spawned; None when none is missing. `counts` by generation."""
        if any(self._empty(generation, count) for generation, count in counts.items()):
            return max(0.01, self._next_spawn - now)
        return None
