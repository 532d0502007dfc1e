"""The scoreboard: shared memory with a row for each worker, written by it and read by the master.

Rules: there is no lock, for a worker that is killed while it holds one would hang the others; each cell is one
aligned 64-bit store. What stands here came from a worker and may be any number: the master only compares it. A row is a
page, so that a worker can write its own and read the others: what it spoils is spoilt for itself. The last page is the
master's: how many rows, from the first on, have ever had a worker.
"""

import os
import time

from gemd.protocol.figures import ALL_FIGURES, ANSWERS, BYTES, PRIVATE, REQUESTS, Figure
from gemd.shared import client_counts, under_way
from gemd.shared.client_counts import ClientCounts
from gemd.shared.counts import AllCounts, Counts, HostSlots, Sums
from gemd.shared.under_way import UnderWay
from gemd.system.shared_memory import PAGE, SharedMemory

ROWS_PER_SLOT = 4  # for workers that serve, start and drain; the first are taken first

# A column for each figure, after the last sign of life, the wish to be recycled, and when there was room last.
_TICK, _RECYCLE, _ROOM, _FIRST_FIGURE = range(4)
_COLUMNS = {figure.name: column for column, figure in enumerate(ALL_FIGURES, _FIRST_FIGURE)}
_ANSWERS = {key: _COLUMNS[figure.name] for key, figure in ANSWERS.items()}
_REQUESTS, _BYTES = _COLUMNS[REQUESTS.name], _COLUMNS[BYTES.name]
_WIDTH = _FIRST_FIGURE + len(ALL_FIGURES)
_CELL = 8
_UNDER_WAY = 1024  # where in a row it begins, behind the cells
assert _WIDTH * _CELL <= _UNDER_WAY <= PAGE - under_way.SIZE
_NANOSECOND = 1e-9
_NO_HOSTS = HostSlots()
_MOMENT = 2_000_000_000  # nanoseconds: an idle worker shows itself each second


class Row:
    """One worker's cells, what is `under_way` in it, the connections of its `clients`, and its `counts`. Runs in the
    worker, except for `clear` and what is read."""

    __slots__ = ("_cells", "_start", "_used", "clients", "counts", "under_way")

    def __init__(self, octets: memoryview, nr: int, clients: ClientCounts, counts: Counts) -> None:
        self._cells = octets.cast("Q")
        self._start = nr * PAGE // _CELL
        self._used = (len(octets) - PAGE) // _CELL
        self.clients = clients
        self.counts = counts
        self.under_way = UnderWay(octets[nr * PAGE + _UNDER_WAY :][: under_way.SIZE])

    def clear(self) -> None:
        """Forget the row's former worker. Runs in the master, before it forks the next one."""
        self._cells[self._used] = max(self.used, self._start * _CELL // PAGE + 1)
        for column in range(_WIDTH):
            self._cells[self._start + column] = 0
        self.under_way.clear()
        self.clients.clear()

    def tick(self) -> None:
        """Sign of life."""
        self._cells[self._start + _TICK] = time.monotonic_ns()

    def show_room(self, *, has_room: bool) -> None:
        """Whether the worker can take more connections now."""
        self._cells[self._start + _ROOM] = time.monotonic_ns() if has_room else 0

    @property
    def used(self) -> int:
        """How many rows, from the first on, have ever had a worker. Each is a page: the others need not be looked at.
        Not for one generation to know: those who came before, and were more, may have had the first."""
        return self._cells[self._used]

    def is_room_elsewhere(self) -> bool:
        """Whether another worker has shown a moment ago that it can take more. Asked by one that can't."""
        step = PAGE // _CELL
        shown = self._cells[_ROOM : self.used * step : step].tolist()
        return max(shown, default=0) > time.monotonic_ns() - _MOMENT

    def count(self, size: int) -> None:
        """One more request, answered with `size` bytes."""
        self._cells[self._start + _REQUESTS] += 1
        self._cells[self._start + _BYTES] += size

    def count_answer(self, kind: str, status: int) -> None:
        """One more answer of this kind of gateway."""
        self._cells[self._start + _ANSWERS[kind, status]] += 1

    def show(self, figure: Figure, value: int) -> None:
        """A figure is this now."""
        self._cells[self._start + _COLUMNS[figure.name]] = value

    def request_recycle(self) -> None:
        """Something is beyond repair here: another worker is to take the place."""
        self._cells[self._start + _RECYCLE] = 1

    @property
    def last_tick(self) -> float | None:
        """When the worker was last alive, in monotonic seconds; None when it has not ticked yet."""
        tick = self._cells[self._start + _TICK]
        return tick * _NANOSECOND if tick else None

    @property
    def wants_recycle(self) -> bool:
        """Whether another worker is to take the place."""
        return bool(self._cells[self._start + _RECYCLE])

    @property
    def private_memory(self) -> int:
        """The worker's own memory (USS), in bytes; 0 when it is not known yet."""
        return self._cells[self._start + _COLUMNS[PRIVATE.name]]

    @property
    def requests(self) -> int:
        """How many were answered."""
        return self._cells[self._start + _REQUESTS]

    @property
    def figures(self) -> dict[str, int]:
        """All figures by name."""
        first = self._start + _FIRST_FIGURE
        return dict(zip(_COLUMNS, self._cells[first : self._start + _WIDTH].tolist(), strict=True))


class Scoreboard:
    """Shared memory for `size` rows, and for what is counted of the hosts with `slots`, and of some more; workers
    inherit it by fork."""

    def __init__(self, size: int, slots: HostSlots = _NO_HOSTS) -> None:
        self.size = size
        self._memory = SharedMemory((size + 1) * PAGE)
        self._clients = SharedMemory(size * client_counts.SIZE)
        self._counts = AllCounts(size, slots)
        self._secret = os.urandom(16)  # so that nobody chooses a network to be taken for another

    def row(self, nr: int) -> Row:
        """Row `nr`, from 0."""
        clients = ClientCounts(self._clients.octets, nr, self._secret)
        return Row(self._memory.octets, nr, clients, self._counts.of(nr))

    def sum_up(self, slots: HostSlots) -> Sums:
        """What all workers have counted that ever were, for the hosts with `slots`."""
        return self._counts.sum_up(min(self.row(0).used, self.size), slots)

    def keep_to(self, nr: int) -> Row:
        """Row `nr`; this process can only read the others from now on. Runs in the worker. Raises OSError."""
        self._memory.write_only(nr * PAGE, PAGE)
        self._clients.write_only(nr * client_counts.SIZE, client_counts.SIZE)
        self._counts.keep_to(nr)
        return self.row(nr)
