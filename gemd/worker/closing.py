"""Connections that have all of their answer but for what is in the kernel: lingering, until the client closes too.

Rules: what the client still sends is read and forgotten, for a close with unread bytes would reset the connection and
destroy the end of the answer on its way; nobody waits for the client's close_notify longer than `timeouts.close`.
"""

import select
import time

from gemd.config.settings import Timeouts
from gemd.system.client_socket import count_undelivered
from gemd.system.tls import TLSError
from gemd.worker.connection import Connection
from gemd.worker.ordered import Ordered
from gemd.worker.poller import Poller

_DRAIN_CHUNK = 4 * 1024
_MAX_DRAINED = 1024 * 1024


class Closing:
    """Everybody here is done with; whoever is the oldest goes when there are too many."""

    def __init__(self, poller: Poller[Connection], timeouts: Timeouts) -> None:
        self._poller = poller
        self._timeout = timeouts.close
        self._delivery_timeout = timeouts.response  # from accept, after which the rest is left to the kernel
        self._connections: Ordered[Connection] = Ordered()

    def __len__(self) -> int:
        return len(self._connections)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._connections

    def linger(self, connection: Connection) -> None:
        """Close when the client does, or soon."""
        connection.shut_down()
        connection.deadline = time.monotonic() + self._timeout
        self._connections.add(connection)
        self._poller.modify(connection.fd, select.EPOLLIN, self._drain, connection)

    def _drain(self, connection: Connection, events: int) -> None:
        if drain(connection, has_ended=bool(events & select.EPOLLHUP)):
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Close at once; what the kernel has yet to deliver is delivered anyhow."""
        self._connections.remove(connection)
        self._poller.unregister(connection.fd)
        connection.close()

    def drop_oldest(self) -> bool:
        """Drop the one that has been here for longest; False when nobody is here."""
        if self._connections:
            self.drop(self._connections.oldest())
            return True
        return False

    def leave_deliveries(self) -> None:
        """The worker is to stop: leave what is not delivered yet to the kernel."""
        self._delivery_timeout = 0.0

    # Deadlines

    def next_deadline(self) -> float:
        """When `expired` has somebody, in monotonic seconds."""
        return self._connections.next_deadline()

    def expired(self, now: float) -> list[Connection]:
        """Those whose moment is over: `time_out` them."""
        return self._connections.expired(now)

    def time_out(self, connection: Connection, now: float) -> None:
        """Close, unless the client is still receiving and may yet send something that would destroy the rest."""
        if count_undelivered(connection.socket) and now - connection.accepted < self._delivery_timeout:
            connection.deadline = now + self._timeout
            self._connections.add(connection)
        else:
            self.drop(connection)


def drain(connection: Connection, *, has_ended: bool) -> bool:
    """Take and forget what the client still sends. True when it is done, or has sent too much, or left.

    `has_ended` says that its FIN is here, so that what does not fill the buffer is the last piece.
    """
    try:
        while connection.drained < _MAX_DRAINED:
            data = connection.receive(_DRAIN_CHUNK)
            if data is None:
                return False
            if not data or (has_ended and len(data) < _DRAIN_CHUNK):
                return True
            connection.drained += len(data)
    except TLSError:
        return True
    return True
