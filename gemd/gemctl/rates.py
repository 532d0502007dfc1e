"""How much there is of it a second: rates, from two looks at the status.

Rules: a rate is between two looks at the same master, or it is None: another one counts from 0 again, and so does a
worker that was not there before. Counters of workers that end stay in the master's total, so that no rate is negative.
"""

import time
from collections.abc import Callable

import msgspec

from gemd.gemctl.status import Status, WorkerStatus
from gemd.protocol.figures import BYTES, RECEIVED, REFUSED, REQUESTS, Figure

_TOLD = (REQUESTS, BYTES, RECEIVED, REFUSED)
_SLACK = 0.2  # seconds: an uptime is told in tenths


class Look(msgspec.Struct, frozen=True):
    """The status as it was some time between two moments, in monotonic seconds: it was asked for, and it was there."""

    status: Status
    asked: float
    answered: float


class Rates(msgspec.Struct, frozen=True):
    """A second: of all workers, by the names of figures, and of each worker that was there before."""

    totals: dict[str, float]
    by_worker: dict[tuple[int, int], tuple[float, float]]

    @property
    def requests(self) -> float:
        """Of all workers."""
        return self.totals[REQUESTS.name]

    def of_worker(self, worker: WorkerStatus) -> tuple[float, float] | None:
        """Its requests and the bytes that it sent, a second; None where it was not there before."""
        return self.by_worker.get((worker.pid, worker.generation))


def look(ask_status: Callable[[], Status]) -> Look:
    """Ask, and note when."""
    asked = time.monotonic()
    status = ask_status()
    return Look(status, asked, time.monotonic())


def rates_between(before: Look, after: Look) -> Rates | None:
    """What came from one look to the next; None where another master counts from 0 again."""
    seconds = after.answered - before.answered
    grown = {figure.name: after.status.total(figure) - before.status.total(figure) for figure in _TOLD}
    if seconds <= 0 or min(grown.values()) < 0 or not is_same_master(before, after):
        return None
    earlier = {(worker.pid, worker.generation): worker for worker in before.status.workers}
    by_worker = {
        key: (requests / seconds, sent / seconds)
        for worker in after.status.workers
        if (was := earlier.get(key := (worker.pid, worker.generation))) is not None
        and (requests := _growth(was, worker, REQUESTS)) >= 0
        and (sent := _growth(was, worker, BYTES)) >= 0
    }
    return Rates({name: number / seconds for name, number in grown.items()}, by_worker)


def is_same_master(before: Look, after: Look) -> bool:
    """Whether it has become older by the time that has passed. In a container, each master has the same pid."""
    older = after.status.uptime - before.status.uptime
    shortest, longest = after.asked - before.answered, after.answered - before.asked
    return before.status.pid == after.status.pid and shortest - _SLACK <= older <= longest + _SLACK


def _growth(before: WorkerStatus, after: WorkerStatus, figure: Figure) -> int:
    return after.value(figure) - before.value(figure)
