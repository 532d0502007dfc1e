"""The scoreboard: shared memory with a row for each worker, written by it and read by the master.

Rules: there is no lock, for a worker that is killed while it holds one would hang the others; each cell is one
aligned 64-bit store. What stands here came from a worker and may be any number: the master only compares it.
"""

import mmap
import time

_COLUMNS = ("tick", "requests", "bytes", "lobby", "side_room", "memory", "private", "dropped", "descriptors", "rest")
_CELL = 8
_NANOSECOND = 1e-9


class Row:
    """One worker's cells. Runs in the worker, except for `clear` and what is read."""

    __slots__ = ("_cells", "_start")

    def __init__(self, cells: memoryview, nr: int) -> None:
        self._cells = cells
        self._start = nr * len(_COLUMNS)

    def clear(self) -> None:
        """Forget the row's former worker. Runs in the master, before it forks the next one."""
        for column in range(len(_COLUMNS)):
            self._cells[self._start + column] = 0

    def tick(self) -> None:
        """Sign of life."""
        self._cells[self._start] = time.monotonic_ns()

    def count(self, size: int) -> None:
        """One more request, answered with `size` bytes."""
        self._cells[self._start + 1] += 1
        self._cells[self._start + 2] += size

    def show(self, lobby: int, side_room: int, dropped: int = 0) -> None:
        """How many connections are in the lobby, requests in the side room, and log lines were lost."""
        self._cells[self._start + 3] = lobby
        self._cells[self._start + 4] = side_room
        self._cells[self._start + 7] = dropped

    def show_memory(self, shared_out: int, private: int) -> None:
        """The worker's proportional and its private share of memory (PSS and USS), in bytes."""
        self._cells[self._start + 5] = shared_out
        self._cells[self._start + 6] = private

    def show_descriptors(self, number: int) -> None:
        """How many descriptors the worker has open."""
        self._cells[self._start + 8] = number

    @property
    def last_tick(self) -> float | None:
        """When the worker was last alive, in monotonic seconds; None when it has not ticked yet."""
        tick = self._cells[self._start]
        return tick * _NANOSECOND if tick else None

    def request_recycle(self) -> None:
        """Something is beyond repair here: another worker is to take the place."""
        self._cells[self._start + 9] = 1

    @property
    def wants_recycle(self) -> bool:
        """Whether another worker is to take the place."""
        return bool(self._cells[self._start + 9])

    @property
    def private_memory(self) -> int:
        """The worker's own memory (USS), in bytes; 0 when it is not known yet."""
        return self._cells[self._start + 6]

    @property
    def requests(self) -> int:
        """How many were answered."""
        return self._cells[self._start + 1]

    @property
    def figures(self) -> dict[str, int]:
        """The cells that count or measure something, by name."""
        return {name: self._cells[self._start + i] for i, name in enumerate(_COLUMNS[1:-1], 1)}


class Scoreboard:
    """Anonymous shared memory for `size` rows; workers inherit it by fork."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = mmap.mmap(-1, size * len(_COLUMNS) * _CELL)
        self._cells = memoryview(self._memory).cast("Q")

    def row(self, nr: int) -> Row:
        """Row `nr`, from 0."""
        return Row(self._cells, nr)
