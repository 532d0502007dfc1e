"""From a ClientHello to a connection with the upstream, whose addresses are looked up and tried.

Rules: nothing here waits; all of it has one deadline; whoever is connected sends what the client has sent so far,
behind a PROXY header where one is wanted.
"""

import math
import select
import socket
import time
from collections.abc import Callable, Collection

from gemd.protocol.proxy_header import MAX_HOPS
from gemd.protocol.proxy_versions import encode_proxy_header
from gemd.protocol.response import ResolveError
from gemd.system.dial import Dial, DialError
from gemd.system.listener import Listener
from gemd.system.own_places import LOOP, OwnPlaces
from gemd.worker.connection import Connection
from gemd.worker.flow import Flow
from gemd.worker.ordered import Ordered
from gemd.worker.passed import PassedConnection
from gemd.worker.poller import Poller

CONNECT_TIMEOUT = 5.0  # seconds, looking up included


class Connecting:
    """`connected` gets each connection that has an upstream, and `failed` each that gets none, whose `failure` says
    why."""

    def __init__(
        self,
        poller: Poller[Connection],
        listeners: Collection[Listener],
        connected: Callable[[PassedConnection], None],
        failed: Callable[[PassedConnection], None],
    ) -> None:
        self._poller = poller
        self._connected = connected
        self._failed = failed
        self._own = OwnPlaces(listeners)
        self._connections: Ordered[PassedConnection] = Ordered()
        self._soonest = math.inf  # the first of their deadlines, or earlier

    def __len__(self) -> int:
        return len(self._connections)

    def __contains__(self, connection: PassedConnection) -> bool:
        return connection in self._connections

    def oldest(self) -> PassedConnection:
        """Raises StopIteration where there is none."""
        return self._connections.oldest()

    def begin(self, connection: PassedConnection) -> None:
        """Find its upstream."""
        connection.connect_by = time.monotonic() + CONNECT_TIMEOUT
        self._wait(connection, connection.connect_by)
        if connection.hops >= MAX_HOPS:
            self._fail(connection, f"this is a loop: {MAX_HOPS} gemd have passed it on already")
        elif connection.upstream.address.path in self._own.paths:
            self._fail(connection, LOOP)
        else:
            self.resume(connection)

    def _wait(self, connection: PassedConnection, deadline: float) -> None:
        connection.deadline = deadline
        self._connections.add(connection)
        self._soonest = min(self._soonest, deadline)

    def resume(self, connection: PassedConnection) -> None:
        """The addresses may be known by now."""
        if connection.link is not None:
            return
        if connection.dial is None:
            try:
                targets = connection.upstream.resolve(connection, lambda: self._poller.wake(connection))
            except ResolveError as error:
                self._fail(connection, str(error))
                return
            if targets is None:
                return
            connection.dial = Dial(targets, connection.connect_by)
        self._dial(connection, connection.dial)

    def _advance(self, connection: Connection, _events: int) -> None:
        """The upstream has answered, one way or the other."""
        assert isinstance(connection, PassedConnection)
        self.resume(connection)

    def _dial(self, connection: PassedConnection, dial: Dial) -> None:
        """See whether it is connected by now, or another address is to be tried."""
        former = dial.descriptor
        if former is not None:
            self._poller.unregister(former)
        try:
            connection.link = dial.advance()
        except DialError as error:
            self._fail(connection, str(error))
            return
        if connection.link is not None:
            self._finish(connection, connection.link)
            return
        self._wait(connection, dial.deadline)
        if dial.descriptor is not None:
            self._poller.register(dial.descriptor, select.EPOLLOUT, self._advance, connection)

    # The end

    def _finish(self, connection: PassedConnection, link: socket.socket) -> None:
        if self._own.has(link):
            self._fail(connection, LOOP)
            return
        header = encode_proxy_header(
            connection.upstream.host.send_proxy, connection.peer, server_name=connection.name, hops=connection.hops
        )
        connection.up = Flow(connection.socket, link, header + connection.first)
        connection.up.sent = -len(header)
        connection.down = Flow(link, connection.socket)
        connection.first = b""
        self._connected(connection)

    def _fail(self, connection: PassedConnection, reason: str) -> None:
        connection.failure = reason
        self._failed(connection)

    def forget(self, connection: PassedConnection) -> None:
        """It is over before it was connected, or will be at once."""
        self._connections.remove(connection)
        connection.upstream.forget(connection)
        if connection.dial is not None and connection.dial.descriptor is not None:
            self._poller.unregister(connection.dial.descriptor)

    # Deadlines

    def next_deadline(self) -> float:
        """When to look for those whose deadline has passed."""
        return self._soonest if self._connections else math.inf

    def expired(self, now: float) -> list[PassedConnection]:
        """Those whose deadline has passed: `time_out` them."""
        if now < self._soonest:
            return []
        self._soonest = min((c.deadline for c in self._connections if c.deadline > now), default=math.inf)
        return [connection for connection in self._connections if connection.deadline <= now]

    def time_out(self, connection: PassedConnection) -> None:
        """An address has not answered in its share of the time: try the next."""
        if connection.dial is None:
            self._fail(connection, "it could not be looked up in time")
        else:
            self._dial(connection, connection.dial)
