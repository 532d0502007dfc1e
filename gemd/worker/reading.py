"""Connections whose request is not complete: in their handshake, or in their request line.

Rules: until its request is complete a connection is a stranger's, with one deadline for all of that, and so many bytes
for the handshake and again for the request; when there are too many of them the oldest is dropped.
"""

import select
import time
from collections import deque
from collections.abc import Callable, Iterator

from gemd.config.settings import Limits
from gemd.protocol.counters import FAILURES
from gemd.protocol.errors import GeminiError
from gemd.responders.counted import note_eviction
from gemd.system.client_socket import acknowledge_now
from gemd.system.tally import tally
from gemd.system.tls import TLSError
from gemd.system.tls_failures import find_reason
from gemd.worker.connection import Connection, ReportLoss
from gemd.worker.ordered import Ordered
from gemd.worker.poller import Poller
from gemd.worker.sorter import Sorter

_RECEIVE_SIZE = 4096
_RECORD_OVERHEAD = 1024  # for the framing of a record with 16 KiB (RFC 8446, 5.2), and of some small ones before it
_LAST_REQUESTS = 1.0  # seconds for requests that are not complete when the worker has to stop


class Reading:
    """At most `max_connections` at once. `ready` gets those whose request is complete, or refused.

    `report_loss` is told of each that ended without an answer, and why. Where there are hosts whose connections are
    passed on, `sorter` looks at what comes before TLS does.
    """

    def __init__(
        self,
        poller: Poller[Connection],
        limits: Limits,
        max_connections: int,
        ready: deque[Connection],
        report_loss: ReportLoss,
    ) -> None:
        self.sorter: Sorter | None = None
        self._poller = poller
        self._max_bytes = limits.request_bytes
        self._max_connections = max_connections
        self._ready = ready
        self.report_loss = report_loss
        self._connections: Ordered[Connection] = Ordered()

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._connections

    def hurry(self) -> None:
        """The worker has to stop: leave a second for requests that are not complete."""
        soon = time.monotonic() + _LAST_REQUESTS
        for connection in self._connections:
            connection.deadline = min(connection.deadline, soon)

    def add(self, connection: Connection, act: Callable[[Connection, int], None] | None = None) -> None:
        """Read the request of a connection that was accepted, unless `act` is to see first what comes. Raises OSError
        when it can't be watched."""
        if len(self._connections) >= self._max_connections:
            note_eviction("reading")
            self.drop(self._connections.oldest(), "closed because too many requests are not complete", "too-many")
        if self.sorter is not None and not connection.tls.is_plain:
            connection.hello = b""
        self._poller.register(connection.fd, select.EPOLLIN, act or self.advance, connection)
        self._connections.add(connection)

    # Handshake and request line

    def begin(self, connection: Connection, data: bytes) -> None:
        """Read the request of a connection whose PROXY header was read, and `data` behind it."""
        self._poller.modify(connection.fd, select.EPOLLIN, self.advance, connection)
        if data:
            self.advance(connection, 0, data)

    def advance(self, connection: Connection, _events: int, data: bytes | None = None) -> None:
        """As far as the bytes reach that are here, or `data`: handshake, then request line."""
        try:
            if self._receive(connection, data):
                self._step(connection)
        except TLSError as error:
            stage = "request" if connection.handshaken else "handshake"
            self._send_alert(connection)
            self.drop(connection, f"{stage} failed: {error}", find_reason(str(error)))
            return
        except GeminiError as refusal:
            connection.refusal = refusal
        if connection.request is not None or connection.refusal is not None:
            self._connections.remove(connection)
            self._ready.append(connection)

    def _receive(self, connection: Connection, data: bytes | None) -> bool:
        """Feed TLS what is here; False when nothing is. Raises TLSError when that was the end, or is too much."""
        left = self._max_bytes + _RECORD_OVERHEAD - connection.received
        if left <= 0:
            raise TLSError(f"more than {self._max_bytes} bytes came and were not enough")
        if data is None:
            data = connection.receive(min(left, _RECEIVE_SIZE))
            if data is None:
                return False
        if not data:
            raise TLSError("the client left before its request was complete")
        connection.received += len(data)
        if connection.hello is not None and self.sorter is not None:
            return self._sort(connection, data, self.sorter)
        connection.tls.feed(data)
        return True

    def _sort(self, connection: Connection, data: bytes, sorter: Sorter) -> bool:
        """Feed TLS all that came once it is known to be ours; False while it is not, or where it is another's."""
        connection.hello = hello = (connection.hello or b"") + data
        destination = sorter.find(hello)
        if destination is None:
            return False
        connection.hello = None
        if destination.upstream is None:
            connection.tls.feed(hello)
            return True
        self._connections.remove(connection)
        sorter.pass_on(connection, hello, destination)
        return False

    def _step(self, connection: Connection) -> None:
        """Raises TLSError, and GeminiError for a request line that is none."""
        if not connection.handshaken:
            connection.handshaken = connection.tls.handshake()
            if connection.handshaken:
                connection.handshake_size, connection.received = connection.received, 0
            if not connection.flush():
                self._poller.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT, self._resume, connection)
            if not connection.handshaken:
                return
        while connection.request is None:
            data = connection.tls.receive(_RECEIVE_SIZE)
            if data is None:
                acknowledge_now(connection.socket)
                if connection.flush():  # what TLS may have to say to what came
                    connection.tls.shrink()
                return
            if not data:
                raise TLSError("the client left before its request was complete")
            connection.request = connection.reader.feed(data)

    def _resume(self, connection: Connection, events: int) -> None:
        """The socket had not taken all of the handshake."""
        try:
            if events & select.EPOLLOUT and connection.flush():
                self._poller.modify(connection.fd, select.EPOLLIN, self.advance, connection)
        except TLSError as error:
            self.drop(connection, f"handshake failed: {error}", find_reason(str(error)))
            return
        if events & select.EPOLLIN:
            self.advance(connection, events)

    def _send_alert(self, connection: Connection) -> None:
        """What TLS has to say of a failure, if the socket takes it."""
        try:
            connection.flush()
        except TLSError:
            return

    def drop(self, connection: Connection, reason: str, failure: str = "") -> None:
        """Close a connection whose request is not complete. Where a `reason` is given it is reported, unless all that
        a proxy wanted to know is whether somebody is here; `failure` is why its handshake failed, if that is so."""
        self._connections.remove(connection)
        if reason and not _is_health_check(connection):
            self.report_loss(connection, reason)
            if failure and _is_in_handshake(connection):
                tally.count(FAILURES, failure)
        self._poller.unregister(connection.fd)
        connection.close()

    # Deadlines

    def next_deadline(self) -> float:
        """When `expired` has somebody, in monotonic seconds."""
        return self._connections.next_deadline()

    def expired(self, now: float) -> list[Connection]:
        """Those whose time is over: `time_out` them."""
        return self._connections.expired(now)

    def time_out(self, connection: Connection, now: float) -> None:
        """Drop it, and say how long it took."""
        stage = "request" if connection.handshaken else "handshake"
        if connection.header_reader is not None:
            stage = "PROXY header"
        self.drop(connection, f"{stage} timed out after {now - connection.accepted:.1f} s", "timeout")


def _is_in_handshake(connection: Connection) -> bool:
    return not (connection.handshaken or connection.tls.is_plain) and connection.header_reader is None


def _is_health_check(connection: Connection) -> bool:
    """Whether nothing came but, at most, the header of a proxy that speaks for itself."""
    if connection.received or connection.handshaken:
        return False
    return connection.header_reader is not None or (
        connection.proxy_header is not None and connection.proxy_header.is_local
    )
