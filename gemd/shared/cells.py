"""A table of moments for all workers: when the budget of each client of each limit will be whole again (GCRA).

Rules: no lock, for a worker that is killed while it holds one would hang the others; a cell is one aligned 64-bit
store, and is looked at again right before that, so that hardly ever a count is lost; the table is as large as it will
ever be, and where it is full those are forgotten whose budget is the nearest to being whole.
"""

import hashlib
import os
import time

from gemd.system.shared_memory import SharedMemory

_UNIT_BITS = 12  # of nanoseconds
SECOND = 1e9 / (1 << _UNIT_BITS)  # in the unit of moments

_WAYS = 8  # cells in which one key may be: a line of the processor's cache
_BUCKETS = 8192
_MOMENT_BITS = 46  # nine years from when the table was made; the other bits of a cell tell keys apart
_LATEST = (1 << _MOMENT_BITS) - 1
_TAGS = (1 << 64 - _MOMENT_BITS) - 1
_ATTEMPTS = 16

Key = tuple[int, int]  # the first of its cells, and what is in the upper bits of its own


class Cells:
    """Made in the master, used in the workers. Moments are counted from when it was made, and times are whole numbers,
    in both cases of 4,096 nanoseconds: a second has SECOND of them."""

    def __init__(self) -> None:
        self._cells = SharedMemory(_BUCKETS * _WAYS * 8).octets.cast("Q")
        self._secret = os.urandom(16)  # so that nobody chooses a network to share somebody's cell
        self._epoch = time.monotonic_ns()

    def now(self) -> int:
        """The present moment."""
        return time.monotonic_ns() - self._epoch >> _UNIT_BITS

    def key(self, text: str) -> Key:
        """Where a text has its cell: the same for the same text."""
        digest = int.from_bytes(hashlib.blake2b(text.encode(), key=self._secret, digest_size=8).digest())
        return digest % _BUCKETS * _WAYS, (digest >> 32) % _TAGS + 1

    def wait(self, key: Key, now: int, slack: int) -> int:
        """How long until one more may be counted, whose budget is then not more than `slack` from being whole; 0 for at
        once. Counts nothing."""
        cell = self._cells[self._find(key, now)]
        due = cell & _LATEST if cell >> _MOMENT_BITS == key[1] else 0
        return max(0, due - now - slack)

    def take(self, key: Key, now: int, interval: int, slack: int) -> int:
        """The same, and count one where it may be: its budget takes `interval` longer to be whole."""
        cells, tag = self._cells, key[1]
        place = self._find(key, now)
        for _ in range(_ATTEMPTS):
            cell = cells[place]
            due = max(now, cell & _LATEST) if cell >> _MOMENT_BITS == tag else now
            if due - now > slack:
                return due - now - slack
            counted = tag << _MOMENT_BITS | min(due + interval, _LATEST)
            if cells[place] == cell:  # else another process has counted meanwhile
                break
        cells[place] = counted
        return 0

    def give_back(self, key: Key, now: int, interval: int) -> None:
        """Take back what `take` has counted a moment ago."""
        place = self._find(key, now)
        cell = self._cells[place]
        if cell >> _MOMENT_BITS == key[1] and cell & _LATEST >= interval:
            self._cells[place] = cell - interval

    def _find(self, key: Key, now: int) -> int:
        """The cell of a key; if it has none, one that is free, or soonest will be."""
        cells, (first, tag) = self._cells, key
        usual = first + tag % _WAYS
        if cells[usual] >> _MOMENT_BITS == tag:
            return usual
        bucket = cells[first : first + _WAYS].tolist()
        for way, cell in enumerate(bucket):
            if cell >> _MOMENT_BITS == tag:
                return first + way
        if bucket[usual - first] & _LATEST <= now:
            return usual
        moments = [cell & _LATEST for cell in bucket]
        return first + moments.index(min(moments))
