"""What the master says of itself and its workers: in one line to systemd, in full to gemctl.

Rule: the workers' figures come from shared memory that they write; they are shown, never relied on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gemd import __version__
from gemd.master.workers import State, Worker
from gemd.protocol.figures import FIGURES, Kind
from gemd.shared.scoreboard import Scoreboard
from gemd.system.process import count_descriptors

if TYPE_CHECKING:
    from gemd.master.master import Master

_COUNTERS = [figure.name for figure in FIGURES if figure.kind is Kind.COUNTER]
_SUMMED = [figure.name for figure in FIGURES if figure.is_summed]


class Totals:
    """Counters over all workers that ever were. `deaths` counts those that ended unplanned."""

    def __init__(self, scoreboard: Scoreboard, started: float) -> None:
        self.deaths = 0
        self.started = started
        self._scoreboard = scoreboard
        self._of_the_dead = dict.fromkeys(_COUNTERS, 0)

    def keep(self, worker: Worker) -> None:
        """Keep what a worker that has ended had counted."""
        figures = self.figures_of(worker)
        for name in _COUNTERS:
            self._of_the_dead[name] += figures[name]

    def figures_of(self, worker: Worker) -> dict[str, int]:
        """What a worker says of itself."""
        return self._scoreboard.row(worker.row).figures

    def sum_up(self, workers: list[Worker]) -> dict[str, int]:
        """All figures, of the living and, where they count up, of the dead."""
        every = [self.figures_of(worker) for worker in workers]
        return {name: self._of_the_dead.get(name, 0) + sum(figures[name] for figures in every) for name in _SUMMED}


def summarise(master: Master, now: float) -> str:
    """One line for the service manager."""
    serving = len(master.workers.all(State.SERVING, State.LEAVING))
    draining = len(master.workers.all(State.DRAINING))
    requests = master.totals.sum_up(master.workers.all())["requests"]
    text = f"{_state(master)}: {serving} of {master.slots} workers, {requests} requests"
    return text + (f", {draining} draining" if draining else "")


def describe(master: Master, now: float) -> dict[str, object]:
    """Everything, as `gemctl status --json` prints it. Times in seconds, memory in bytes (PSS and USS).

    `descriptors` are those that a process has open: the master, and below it each worker.
    """
    config = master.generation.config
    return {
        "version": __version__,
        "pid": os.getpid(),
        "state": _state(master),
        "generation": master.generation.number,
        "uptime": round(now - master.totals.started, 1),
        "configuration": config.source,
        "listeners": [str(listener) for listener in master.generation.listeners],
        "slots": master.slots,
        "serving": len(master.workers.all(State.SERVING, State.LEAVING)),
        **master.totals.sum_up(master.workers.all()),
        "descriptors": count_descriptors(),
        "deaths": master.totals.deaths,
        "reloads": master.reload.done,
        "failed_reloads": master.reload.failed,
        "workers": [_describe_worker(master, worker, now) for worker in master.workers.all()],
    }


def _state(master: Master) -> str:
    if master.is_stopping:
        return "stopping"
    if master.upgrade.pid is not None:
        return "upgrading"
    return "reloading" if master.reload.next is not None else "serving"


def _describe_worker(master: Master, worker: Worker, now: float) -> dict[str, object]:
    return {
        "nr": worker.nr + 1,
        "pid": worker.pid,
        "generation": worker.generation,
        "state": worker.state.value,
        "uptime": round(now - worker.born, 1),
        **master.totals.figures_of(worker),
    }
