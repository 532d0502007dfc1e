"""Rate limits for all workers: GCRA over shared memory for the daemon's own, fixed windows for those of applications.

Rules: no lock (see `cells`); the tables are as large as they will ever be; what is refused is not counted, and what one
of several budgets refuses is counted by none of them.
"""

import functools
import hashlib
import math
import mmap
import os
import time
from collections.abc import Callable, Sequence

from gemd.config.types import Budget
from gemd.protocol.errors import SlowDown
from gemd.protocol.networks import Networks, parse_network
from gemd.protocol.peer import Peer
from gemd.shared.cells import SECOND, Cells, Key

_REMEMBERED = 1024  # clients of each limit whose cells need not be worked out again


class RateLimit:
    """One budget for each client. It may be used at once as far as its burst reaches, and comes back little by little.
    Limits with the same place and rate have the same cells, whoever made them: a reload forgives nobody."""

    def __init__(self, cells: Cells, budget: Budget) -> None:
        self._cells = cells
        self._interval = max(1, round(budget.seconds / budget.count * SECOND))
        self._slack = self._interval * (budget.burst - 1)
        self._is_by_certificate = budget.by == "certificate"
        self._exempt = Networks({parse_network(text): True for text in budget.exempt}) if budget.exempt else None
        name = f"{budget.place} {budget.count} {budget.seconds} {budget.burst} {budget.by}"
        self._key_of: Callable[[str], Key] = functools.lru_cache(_REMEMBERED)(lambda who: cells.key(f"{name} {who}"))

    def admits(self, client: str) -> bool:
        """Count something of this client; False when it has had its budget."""
        return not self._cells.take(self._key_of(client), self._cells.now(), self._interval, self._slack)

    def check(self, peer: Peer) -> None:
        """Count a request of this peer. Raises SlowDown (44), its text being the seconds to wait."""
        key = self.find_key(peer)
        if key is not None:
            _refuse(self._cells.take(key, self._cells.now(), self._interval, self._slack))

    def find_key(self, peer: Peer) -> Key | None:
        """Where a peer is counted: by its certificate if that is what counts and it has one, else by its network. None
        where it is exempt. Certificates with one key are one: who has it makes as many of them as they like, and those
        that an authority has signed have more than one form."""
        if self._exempt is not None and self._exempt.find(peer.address):
            return None
        certificate = peer.tls.client_certificate if self._is_by_certificate else None
        if certificate is None:
            return self._key_of(peer.client)
        return self._key_of(f"certificate {certificate.public_key_fingerprint or certificate.fingerprint}")

    def wait(self, key: Key, now: int) -> int:
        """How long this key has to wait, by the clock of the cells; 0 if not at all."""
        return self._cells.wait(key, now, self._slack)

    def take(self, key: Key, now: int) -> int:
        """The same, and count one if it need not wait."""
        return self._cells.take(key, now, self._interval, self._slack)

    def give_back(self, key: Key, now: int) -> None:
        """Take back what `take` has counted."""
        self._cells.give_back(key, now, self._interval)


def join_limits(cells: Cells, budgets: Sequence[Budget]) -> Callable[[Peer], None]:
    """What counts a request of a peer by all of these budgets, of which there is one at least, or by none where it
    raises SlowDown (44)."""
    limits = [RateLimit(cells, budget) for budget in budgets]
    if len(limits) == 1:
        return limits[0].check

    def check(peer: Peer) -> None:
        now = cells.now()
        counted = [(limit, key) for limit in limits if (key := limit.find_key(peer)) is not None]
        wait = max((limit.wait(key, now) for limit, key in counted), default=0)
        for nr, (limit, key) in enumerate(counted):
            if not wait:
                wait = limit.take(key, now)  # another worker may have counted since
                if wait:
                    for former, one in counted[:nr]:
                        former.give_back(one, now)
        _refuse(wait)

    return check


def _refuse(wait: int) -> None:
    if wait:
        raise SlowDown(str(math.ceil(wait / SECOND)))


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
