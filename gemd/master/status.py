"""What the master says of itself and its workers: in one line to systemd, in full to gemctl.

Rule: the workers' figures come from shared memory that they write; they are shown, never relied on.
"""

import os
from collections.abc import Mapping, Sequence

import msgspec

from gemd import __version__
from gemd.master.pool import Pool
from gemd.master.reload import Reload
from gemd.master.succession import Role
from gemd.master.workers import State
from gemd.protocol.figures import ALL_FIGURES, ANSWERS, REQUESTS, Kind
from gemd.shared.generation import Generation
from gemd.system.process import count_descriptors

_COUNTERS = [figure.name for figure in ALL_FIGURES if figure.kind is Kind.COUNTER]
_ANSWERS = frozenset(figure.name for figure in ANSWERS.values())
_SUMMED = [figure.name for figure in ALL_FIGURES if figure.is_summed]

Figures = Mapping[str, int]


class WorkerSnapshot(msgspec.Struct, frozen=True):
    """A worker at some moment. Slots are counted from 1 here, times are seconds."""

    nr: int
    pid: int
    generation: int
    state: State
    uptime: float
    figures: Figures


class HostSnapshot(msgspec.Struct, frozen=True):
    """A process beside the workers: of which `kind`, and for whom."""

    kind: str
    name: str
    pid: int
    generation: int
    state: str
    uptime: float
    figures: Figures


class Snapshot(msgspec.Struct, frozen=True):
    """The master at some moment. `listeners` are those that are not closed yet, `serving` is how many workers take
    connections; times are seconds."""

    state: str
    generation: int
    uptime: float
    configuration: str | None
    listeners: Sequence[str]
    slots: int
    serving: int
    deaths: int
    reloads: int
    failed_reloads: int
    figures: Figures
    workers: Sequence[WorkerSnapshot]
    hosts: Sequence[HostSnapshot] = ()


class Totals:
    """Counters over all workers that ever were. `deaths` counts those that ended unplanned."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.deaths = 0
        self._of_the_ended = dict.fromkeys(_COUNTERS, 0)

    def keep(self, figures: Figures) -> None:
        """Keep what a worker that has ended had counted."""
        for name in _COUNTERS:
            self._of_the_ended[name] += figures[name]

    def sum_up(self, alive: Sequence[Figures]) -> dict[str, int]:
        """All figures, of those alive and, where they are counters, of those that have ended."""
        return {name: self._of_the_ended.get(name, 0) + sum(figures[name] for figures in alive) for name in _SUMMED}


def take_snapshot(
    role: Role, generation: Generation, slots: int, pool: Pool, reload: Reload, totals: Totals, now: float
) -> Snapshot:
    """How things are."""
    workers = [
        WorkerSnapshot(w.nr + 1, w.pid, w.generation, w.state, round(now - w.born, 1), pool.row(w).figures)
        for w in pool.workers.all()
    ]
    return Snapshot(
        state="reloading" if role is Role.SERVING and reload.is_under_way else role.value,
        generation=generation.number,
        uptime=round(now - totals.started, 1),
        configuration=generation.config.source,
        listeners=[str(listener) for listener in generation.listeners if listener.socket.fileno() >= 0],
        slots=slots,
        serving=len(pool.workers.all(State.SERVING, State.LEAVING)),
        deaths=totals.deaths,
        reloads=reload.done,
        failed_reloads=reload.failed,
        figures=totals.sum_up([worker.figures for worker in workers]),
        workers=workers,
        hosts=[
            HostSnapshot(
                host.kind, host.name, run.pid, of.number, run.state, round(now - run.born, 1), dict(run.figures)
            )
            for host, of, run in pool.hosts.all()
        ],
    )


def summarise(snapshot: Snapshot) -> str:
    """One line for the service manager."""
    requests = snapshot.figures[REQUESTS.name]
    text = f"{snapshot.state}: {snapshot.serving} of {snapshot.slots} workers, {requests} requests"
    draining = sum(worker.state is State.DRAINING for worker in snapshot.workers)
    return text + (f", {draining} draining" if draining else "")


def describe(snapshot: Snapshot, pool: Pool, generation: Generation) -> dict[str, object]:
    """Everything, as `gemctl status --json` prints it. Times in seconds, memory in bytes (PSS and USS).

    `descriptors` are those that a process has open: the master, and below it each worker.
    """
    return {
        "version": __version__,
        "pid": os.getpid(),
        **_flatten(snapshot),
        "descriptors": count_descriptors(),
        "workers": [_flatten(worker) for worker in snapshot.workers],
        "hosts": [_flatten(host) for host in snapshot.hosts],
        **pool.sum_up(generation.host_slots).describe(),
        "certificates": dict(generation.certificate_ends),
    }


def _flatten(snapshot: Snapshot | WorkerSnapshot | HostSnapshot) -> dict[str, object]:
    """With the figures beside all else, but for answers that were never given."""
    values: dict[str, object] = msgspec.to_builtins(snapshot)
    del values["figures"]
    return {**values, **{name: value for name, value in snapshot.figures.items() if value or name not in _ANSWERS}}
