"""Who may begin a handshake: the first that is decided of a client, as soon as its address is known.

Rule: who may not is closed without a byte, and counted; the error log names one of them a second.
"""

import time
from collections.abc import Callable

from gemd.protocol.counters import REFUSALS
from gemd.protocol.peer import V6_PREFIX, network_of
from gemd.shared.rate_limit import RateLimit
from gemd.shared.scoreboard import Row
from gemd.system.access_log import AccessLog
from gemd.system.log import error_log
from gemd.system.tally import tally

_LINE_INTERVAL = 1.0  # seconds between two lines about those who are turned away

Leave = Callable[[], None]  # to be called once when the connection ends


class ConnectionLimit:
    """How many connections a client may have at once, over all workers: this one has `row`."""

    def __init__(self, row: Row, limit: int) -> None:
        self._row = row
        self._limit = limit

    def enter(self, client: str) -> Leave | None:
        """Count one more: what is to be called when it ends; None where it is too many."""
        counts = self._row.clients
        if not counts.begin(client, self._limit, self._row.used):
            return None
        return lambda: counts.end(client)


class Admission:
    """`refused` is how many were turned away. `may_come` says that of an address; `connections` is for those at once,
    `handshakes` for those in a second. IPv6 clients are counted by networks of `v6_prefix` bits."""

    def __init__(
        self,
        access_log: AccessLog,
        may_come: Callable[[str], bool] | None = None,
        connections: ConnectionLimit | None = None,
        handshakes: RateLimit | None = None,
        v6_prefix: int = V6_PREFIX,
    ) -> None:
        self.refused = 0
        self._access_log = access_log
        self._may_come = may_come
        self._connections = connections
        self._handshakes = handshakes
        self._v6_prefix = v6_prefix
        self._next_line = 0.0

    def enter(self, address: str) -> Leave | None:
        """Count a connection of a client with this address, "unix" where it has none: what is to be called when it
        ends; None where it may not go on, and is to be closed."""
        if self._may_come is not None and not self._may_come(address):
            self._refuse(address, "access", "not for its network (access)")
            return None
        client, leave = network_of(address, self._v6_prefix), _leave_nothing
        if self._connections is not None:
            entered = self._connections.enter(client)
            if entered is None:
                self._refuse(address, "connections", "too many at once (limits.connections-per-address)")
                return None
            leave = entered
        if self._handshakes is not None and not self._handshakes.admits(client):
            leave()
            self._refuse(address, "handshakes", "too many (limits.handshakes)")
            return None
        return leave

    def _refuse(self, address: str, reason: str, text: str) -> None:
        self.refused += 1
        tally.count(REFUSALS, reason)
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_INTERVAL
            error_log.info("%s: closed before TLS: %s", self._access_log.write_address(address), text)


def _leave_nothing() -> None:
    """Nobody counts who is there."""
