"""Windows of time for the rate limiters of applications: a table for all workers.

Rules: no lock, so that a worker that dies holds up nobody; the table is as large as it will ever be, and two keys that
have one cell are counted as one.
"""

import hashlib
import os
import time

from gemd.system.shared_memory import SharedMemory


class Windows:
    """Counts within windows of time, each beginning with its key's first count. One table for all rate limiters of all
    applications, `name` being the limiter's: the same in every worker."""

    _CELLS = 131_072
    _RESETS = 1024  # cells of which each limiter has one, for the number of its resets
    _COUNT_BITS = 24  # of a cell; the others are the end of the window, in monotonic milliseconds

    def __init__(self) -> None:
        self._cells = SharedMemory((self._CELLS + self._RESETS) * 8).octets.cast("Q")
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


# Made in the master, which imports this before it forks, so that all of its workers have the same one.
WINDOWS = Windows()
