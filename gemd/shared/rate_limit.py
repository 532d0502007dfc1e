"""Rate limits for all workers: what each client may ask, counted in the cells that they share.

Rule: what is refused is not counted, and what one of several budgets refuses is counted by none of them.
"""

import functools
import math
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
        self._reason = "rate" if budget.place == "limits.rate" else SlowDown.reason
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
            _refuse(self._cells.take(key, self._cells.now(), self._interval, self._slack), self._reason)

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


def _refuse(wait: int, reason: str = SlowDown.reason) -> None:
    if wait:
        raise SlowDown(str(math.ceil(wait / SECOND)), reason=reason)
