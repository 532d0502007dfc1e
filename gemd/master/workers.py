"""Who is alive: pure bookkeeping of workers, slots and generations. No process is touched here, the master acts.

Rules: a slot has at most one worker that is neither leaving nor draining in each generation; workers that die before
they have served make the next spawn wait, twice as long each time, and whose place one takes that had served is filled
within a second, always; a worker is late only by time in which the master itself was awake.
"""

import enum
from collections.abc import Mapping

import msgspec

YOUNG = 1.0  # seconds; who dies before that may die of the same cause again
_MIN_DEATHS = 3  # in a row before any worker served, that say none ever will
_MIN_DELAY = 0.1  # seconds, the first of delays that double
_MAX_DELAY = 30.0
_MAX_SLOT_DELAY = 0.5  # where the one before had served: who dies of a request shall not keep the others from theirs
_MAX_FORK_DELAY = 2.0  # after a fork that failed: a shortage is over as suddenly as it came
_TICK_SLACK = 60.0  # seconds by which a tick may be ahead of the master's step; beyond that it is no sign of life
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


class _Vacancy(msgspec.Struct):
    """A slot whose worker had served: `deaths` young ones in a row have, and the next comes at `moment`."""

    deaths: int = 0
    moment: float = 0.0


class Workers:
    """All workers, with `rows` rows of the scoreboard to share among them."""

    def __init__(self, rows: int) -> None:
        self.early_deaths = 0
        self._by_pid: dict[int, Worker] = {}
        self._free_rows = list(range(rows - 1, -1, -1))
        self._failures = 0  # deaths in a row of which the next spawn waits
        self.is_backing_off = False
        self._next_spawn = 0.0
        self._last_failure = 0.0
        self._failed_forks = 0
        self._next_fork = 0.0
        self._slots: dict[tuple[int, int], _Vacancy] = {}  # by generation and number
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
        self._failed_forks = 0
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
        is_young = now - worker.born < YOUNG
        if served:
            self._vacate(worker, now, is_young=is_young)
        else:
            self._slots.pop((worker.generation, worker.nr), None)
            self._delay_spawn(now)
        if served and not is_young:
            self._forget_failures()

    def _vacate(self, worker: Worker, now: float, *, is_young: bool) -> None:
        """Have the slot of one that had served filled soon, whatever has become of others."""
        vacancy = self._slots.setdefault((worker.generation, worker.nr), _Vacancy())
        delay = min(_MIN_DELAY * float(1 << min(vacancy.deaths, 16)), _MAX_SLOT_DELAY) if is_young else 0.0
        vacancy.deaths = vacancy.deaths + 1 if is_young else 0
        vacancy.moment = now + delay

    def are_hopeless(self, slots: int) -> bool:
        """Whether so many have died before they served that others would too."""
        return self.early_deaths >= max(_MIN_DEATHS, slots)

    def _delay_spawn(self, now: float) -> None:
        """A worker died that had not served: wait before the next."""
        self._next_spawn = now + min(_MIN_DELAY * float(1 << self._failures), _MAX_DELAY)
        self._failures = min(self._failures + 1, 16)
        self._last_failure = now
        self.is_backing_off = True

    def delay_fork(self, now: float) -> float:
        """A fork failed: wait before the next, whoever it is for. Returns the delay in seconds."""
        delay = min(_MIN_DELAY * float(1 << self._failed_forks), _MAX_FORK_DELAY)
        self._failed_forks = min(self._failed_forks + 1, 16)
        self._next_fork = now + delay
        return delay

    def reset_backoff(self) -> None:
        """Something was changed: the next spawn need not wait for what happened before."""
        self._forget_failures()
        self._next_spawn = self._next_fork = 0.0
        self._slots.clear()

    def _forget_failures(self) -> None:
        self._failures = 0
        self.is_backing_off = False

    def missing(self, generation: int, count: int, now: float) -> list[int]:
        """Which of `count` slots lack a worker of this generation to stay, and may have one now: while workers die that
        have not served one at a time, and the next when that one has grown up."""
        if now < self._next_fork:
            return []
        vacant: list[int] = []
        others: list[int] = []
        for nr in self._empty(generation, count):
            vacancy = self._slots.get((generation, nr))
            if vacancy is None:
                others.append(nr)
            elif now >= vacancy.moment:
                vacant.append(nr)
        return sorted(vacant + self._allowed(others, generation, now))

    def _allowed(self, slots: list[int], generation: int, now: float) -> list[int]:
        """Those of these slots that may be filled, none of which had a worker that served."""
        if now < self._next_spawn:
            return []
        if not self.is_backing_off:
            return slots
        recent = (c for c in self._by_pid.values() if c.generation == generation and c.born >= self._last_failure)
        return [] if any(c.state is State.STARTING or now - c.born < YOUNG for c in recent) else slots[:1]

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
        signs = {worker: ticks.get(worker.row) or worker.born for worker in self._by_pid.values()}
        return [
            worker
            for worker, sign in signs.items()
            if now - max(sign if sign <= now + _TICK_SLACK else 0.0, worker.born, self._awake_since) > timeout
        ]

    def sleep_until(self, moment: float) -> None:
        """The master means to look again at `moment` at the latest."""
        self._asleep_until = moment

    def awake(self, now: float) -> None:
        """The master looks again. When it was stopped meanwhile, nobody is late for that; when a worker has served and
        grown up that was born since one died that had not, that is forgotten."""
        if self._asleep_until is not None and now > self._asleep_until + _SLACK:
            self._awake_since = now
        grown_up = (c for c in self.all(State.SERVING, State.LEAVING) if now - c.born >= YOUNG)
        if any(worker.born >= self._last_failure for worker in grown_up):
            self._forget_failures()

    def until_spawn(self, counts: Mapping[int, int], now: float) -> float | None:
        """Seconds until a missing worker may be spawned; None when none is missing. `counts` by generation."""
        moments = [
            vacancy.moment if (vacancy := self._slots.get((generation, nr))) is not None else self._next_spawn
            for generation, count in counts.items()
            for nr in self._empty(generation, count)
        ]
        return max(0.01, max(min(moments), self._next_fork) - now) if moments else None
