"""Rate limits for all workers: GCRA over shared memory for the daemon's own, fixed windows for those of applications.

Each client is hashed into a cell that holds one number: the time at which its budget will be whole again, or a window.
Rules: no lock (two workers that race lose one count, never more); the table is as large as it will ever be; two clients
that share a cell share a budget, which is rare and passes.
"""

import hashlib
import math
import mmap
import os
import time

from gemd.config.types import Rate
from gemd.protocol.errors import SlowDown

_CELLS = 65_536


class RateLimit:
    """Made in the master, used in the workers. A client may use its whole budget at once, then waits for the next
    part of it."""

    def __init__(self, rate: Rate) -> None:
        self._cells = memoryview(mmap.mmap(-1, _CELLS * 8)).cast("Q")
        self._secret = os.urandom(16)  # so that nobody chooses a network to share somebody's cell
        self._interval = int(rate.seconds / rate.count * 1e9)
        self._burst = int(rate.seconds * 1e9) - self._interval

    def check(self, client: str) -> None:
        """Count a request of this client. Raises SlowDown (44), its text beginning with the seconds to wait."""
        delay = self._count(client)
        if delay:
            raise SlowDown(f"{math.ceil(delay / 1e9)} seconds to wait: too many requests")

    def admits(self, client: str) -> bool:
        """Count something of this client; False when it has had its budget."""
        return not self._count(client)

    def _count(self, client: str) -> int:
        """0, or how long to wait where it is too many, which does not count then. In nanoseconds."""
        now = time.monotonic_ns()
        cell = self._cell(client)
        due = max(now, self._cells[cell])
        if due - now > self._burst:
            return due - now - self._burst
        self._cells[cell] = due + self._interval
        return 0

    def _cell(self, client: str) -> int:
        digest = hashlib.blake2b(client.encode(), key=self._secret, digest_size=4).digest()
        return int.from_bytes(digest) % _CELLS


class Windows:
    """Counts within windows of time, each beginning with its key's first count. One table for all rate limiters of all
    applications, `name` being the limiter's: the same in every worker."""

    _CELLS = 131_072
    _RESETS = 1024  # cells of which each limiter has one, for the number of its resets
    _COUNT_BITS = 24  # of a cell; the others are the end of the window, in monotonic milliseconds

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, (self._CELLS + self._RESETS) * 8)).cast("Q")
        self._secret = os.urandom(16)

    def count(self, name: str, key: object, seconds: float) -> tuple[int, float]:
        """Count one more for `key`, in a window of so many seconds: the count so far, and seconds until it ends.

        Keys are the same if their repr is. Counts beyond 16,777,215 stay there.
        """
        most = (1 << self._COUNT_BITS) - 1
        cell = self._hash(f"{name} {self._cells[self._reset_cell(name)]} {key!r}") % self._CELLS
        now = int(time.monotonic() * 1000)
        end, count = divmod(self._cells[cell], most + 1)
        if now >= end:
            end, count = now + int(seconds * 1000), 0
        count = min(count + 1, most)
        self._cells[cell] = end * (most + 1) + count
        return count, (end - now) / 1000

    def reset(self, name: str) -> None:
        """Forget all counts of a limiter."""
        self._cells[self._reset_cell(name)] += 1

    def _reset_cell(self, name: str) -> int:
        return self._CELLS + self._hash(name) % self._RESETS

    def _hash(self, text: str) -> int:
        digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), key=self._secret, digest_size=8).digest()
        return int.from_bytes(digest)


# Made in the master, which imports this before it forks: all of its workers have the same one.
WINDOWS = Windows()
