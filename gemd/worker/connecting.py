"""From a ClientHello to a connection with the upstream: addresses are looked up, and tried one after the other.

Rules: nothing here waits; all of it has one deadline, of which each address gets its share; whoever is connected sends
what the client has sent so far, behind a PROXY header where one is wanted.
"""

import errno
import math
import os
import select
import socket
import time
from collections.abc import Callable, Collection

from gemd.protocol.proxy_header import MAX_HOPS, Endpoint
from gemd.protocol.proxy_v1 import encode_v1
from gemd.protocol.proxy_v2 import encode_v2
from gemd.protocol.response import ResolveError, Target
from gemd.system.default_timeout import ignore_default_timeout
from gemd.system.listener import Listener
from gemd.system.own_places import LOOP, OwnPlaces
from gemd.worker.connection import Connection
from gemd.worker.flow import Flow
from gemd.worker.ordered import Ordered
from gemd.worker.passed import PassedConnection
from gemd.worker.poller import Poller

CONNECT_TIMEOUT = 5.0  # seconds, looking up included
_RETRY_INTERVAL = 0.05  # seconds until a unix socket is asked again whose backlog is full


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
        if connection.targets is not None:
            return
        try:
            targets = connection.upstream.resolve(connection, lambda: self._poller.wake(connection))
        except ResolveError as error:
            self._fail(connection, str(error))
            return
        if targets is not None:
            connection.targets = list(targets)
            self._try_next(connection)

    # Addresses

    def _try_next(self, connection: PassedConnection) -> None:
        """Connect to the next address, or give up where there is none left."""
        now = time.monotonic()
        while connection.targets and now < connection.connect_by:
            share = (connection.connect_by - now) / len(connection.targets)
            target = connection.targets.pop(0)
            try:
                is_open = self._open(connection, target)
            except BlockingIOError:  # of a unix socket whose backlog is full
                connection.targets.append(target)
                self._wait(connection, min(now + _RETRY_INTERVAL, connection.connect_by))
                return
            except OSError as error:
                connection.failure = error.strerror or str(error)
                self._close_link(connection)
                continue
            if is_open:
                self._finish(connection)
            else:
                self._wait(connection, now + share)
            return
        self._fail(connection, connection.failure or "it does not answer")

    def _open(self, connection: PassedConnection, target: Target) -> bool:
        """Begin to connect; whether it is done. Raises OSError."""
        family, place = target
        connection.link = link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        ignore_default_timeout(link)
        if family != socket.AF_UNIX:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = link.connect_ex(place)
        if error == errno.EAGAIN:
            self._close_link(connection)
            raise BlockingIOError(error, os.strerror(error))
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        self._poller.register(link.fileno(), select.EPOLLOUT, self._advance, connection)
        return not error

    def _advance(self, connection: Connection, _events: int) -> None:
        """The upstream has answered, one way or the other."""
        assert isinstance(connection, PassedConnection)
        assert connection.link is not None
        error = connection.link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            connection.failure = os.strerror(error)
            self._close_link(connection)
            self._try_next(connection)
        elif is_connected(connection.link):  # else it was told of a socket that had this number before
            self._finish(connection)

    def _close_link(self, connection: PassedConnection) -> None:
        if connection.link is not None:
            self._poller.unregister(connection.link.fileno())
            connection.close_link()

    # The end

    def _finish(self, connection: PassedConnection) -> None:
        link = connection.link
        assert link is not None
        if self._own.has(link):
            self._fail(connection, LOOP)
            return
        header = encode_proxy_header(connection)
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
        if connection.targets is None:
            self._fail(connection, "it could not be looked up in time")
            return
        connection.failure = connection.failure if connection.link is None else "it does not answer"
        self._close_link(connection)
        self._try_next(connection)


def is_connected(link: socket.socket) -> bool:
    """Whether there is somebody at the other end."""
    try:
        link.getpeername()
    except OSError:
        return False
    return True


def encode_proxy_header(connection: PassedConnection) -> bytes:
    """The PROXY header that goes before everything else; b"" where none is wanted."""
    peer = connection.peer
    source, destination = Endpoint(peer.address, peer.port), Endpoint(peer.local_address, peer.local_port)
    if connection.upstream.host.send_proxy == "v2":
        return encode_v2(source, destination, server_name=connection.name, hops=connection.hops + 1)
    if connection.upstream.host.send_proxy == "v1":
        return encode_v1(source, destination)
    return b""
