"""How many connections each client has, over all workers: a part of shared memory for each worker, with what it has.

Rules: each worker writes its own part and reads the others', so that there is no lock, and what one that has died left
there is forgotten with it; who comes is counted first and looked for after that, so that no two are let in for one.
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable

SIZE = 64 * 1024  # octets of a worker's part: whole pages

_CELL = 8
_WAYS = 8  # cells in which one client may be: a line of the processor's cache
_BUCKETS = SIZE // _CELL // _WAYS - 1  # but the first, which says whether there is anything
_COUNT_BITS = 16  # of a cell; the others tell clients apart
MOST = (1 << _COUNT_BITS) - 1
_REMEMBERED = 1024

Key = tuple[int, int]  # the first of a client's cells, and what is in the upper bits of its own


class ClientCounts:
    """One worker's part, the one with this number, of `octets`, which have those of all. `secret` is the same in all of
    them. Runs in the worker, except for `clear`.

    A client whose cells are all taken by others is counted here, and not seen by the other workers.
    """

    def __init__(self, octets: memoryview, nr: int, secret: bytes) -> None:
        self._cells = octets.cast("Q")
        self._start = nr * SIZE // _CELL
        self._secret = secret
        self._counts: Counter[str] = Counter()
        self._key_of: Callable[[str], Key] = functools.lru_cache(_REMEMBERED)(self._find_key)

    def clear(self) -> None:
        """Forget what a worker has left. Runs in the master."""
        if self._cells[self._start]:
            end = self._start + SIZE // _CELL
            self._cells[self._start : end] = memoryview(bytes(SIZE)).cast("Q")

    def begin(self, client: str, limit: int, rows: int) -> bool:
        """Count one more of this client; False, and it is not counted, where it has more than `limit` with it, in the
        first `rows` parts."""
        self._counts[client] += 1
        self._publish(client)
        if self._counts[client] + self._count_elsewhere(client, rows) <= limit:
            return True
        self.end(client)
        return False

    def end(self, client: str) -> None:
        """One of this client's has ended."""
        self._counts[client] -= 1
        self._publish(client)
        if not self._counts[client]:
            del self._counts[client]

    def _publish(self, client: str) -> None:
        """Show the others how many there are."""
        first, tag = self._key_of(client)
        first += self._start
        bucket = [cell >> _COUNT_BITS for cell in self._cells[first : first + _WAYS].tolist()]
        count = min(self._counts[client], MOST)
        if tag in bucket:
            self._cells[first + bucket.index(tag)] = tag << _COUNT_BITS | count if count else 0
        elif count and 0 in bucket:
            self._cells[self._start] = 1
            self._cells[first + bucket.index(0)] = tag << _COUNT_BITS | count

    def _count_elsewhere(self, client: str, rows: int) -> int:
        """How many the other workers show."""
        first, tag = self._key_of(client)
        found = 0
        for start in range(first, first + rows * SIZE // _CELL, SIZE // _CELL):
            if start != self._start + first:
                for cell in self._cells[start : start + _WAYS].tolist():
                    if cell >> _COUNT_BITS == tag:
                        found += cell & MOST
        return found

    def _find_key(self, client: str) -> Key:
        digest = int.from_bytes(hashlib.blake2b(client.encode(), key=self._secret, digest_size=8).digest())
        return (digest % _BUCKETS + 1) * _WAYS, (digest >> _COUNT_BITS) or 1
