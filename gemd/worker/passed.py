"""A client's connection that is passed on: the client's side as that of any other, and the way to its upstream.

Rule: nothing of it is decrypted; what is told of it are bytes and times.
"""

import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from gemd.system.client_socket import reset_on_close
from gemd.system.dial import Dial
from gemd.worker.connection import Connection
from gemd.worker.flow import Flow, FlowError
from gemd.worker.upstream import FindUpstream, Upstream


class PassedConnection(Connection):
    """`name` is the host that the client has asked for, and `first` what it has sent until that was known.

    `link` is the socket that leads to the upstream, None until there is one; `dial` tries its addresses, once they are
    known, and `connect_by` is when one of them has to have answered. `hops` is how many gemd have passed it on before,
    as far as they say so. `up` and `down` are its two directions, once the upstream is connected.
    """

    __slots__ = ("connect_by", "dial", "down", "failure", "first", "hops", "link", "name", "up", "upstream")

    def __init__(self, connection: Connection, hello: bytes, name: str, upstream: Upstream) -> None:
        super().__init__(connection.socket, connection.tls, connection.peer, connection.deadline)
        self.accepted = connection.accepted
        self.leave, connection.leave = connection.leave, None
        self.first = hello
        self.name = name
        self.upstream = upstream
        self.link: socket.socket | None = None
        self.dial: Dial | None = None
        self.connect_by = 0.0
        self.hops = connection.proxy_header.hops if connection.proxy_header is not None else 0
        self.failure = ""
        self.up: Flow | None = None
        self.down: Flow | None = None

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Both directions, once there are any."""
        return tuple(flow for flow in (self.up, self.down) if flow is not None)

    @property
    def held(self) -> int:
        """How many bytes wait here for somebody to take them."""
        return len(self.first) + sum(len(flow.kept) for flow in self.flows)

    @property
    def progress(self) -> int:
        """How much of what waits was delivered since the deadline was renewed, of the slower direction."""
        return min((flow.progress for flow in self.flows if flow.kept), default=0)

    def renew(self, deadline: float) -> None:
        """Another deadline, and from now on progress counts."""
        self.deadline = deadline
        self.renewed = time.monotonic()
        for flow in self.flows:
            flow.note_progress()

    def take_progress(self) -> bool:
        """Whether what is on its way in the kernels has got on since this was asked last, or anything was blocked."""
        is_on_its_way = any(flow.delivered < flow.sent and flow.progress for flow in self.flows)
        for flow in self.flows:
            flow.note_progress()
        return is_on_its_way

    def is_read_from(self, sock: socket.SocketType) -> bool:
        """Whether what comes from this one of its two sockets is taken at the moment."""
        return any(flow.source is sock and flow.can_read for flow in self.flows)

    def pump_before_error(self, sock: socket.SocketType) -> None:
        """Pass on what came from a socket before an error, as far as it is taken. Raises FlowError; but where more of
        an answer waits in the kernel, which keeps it, the error is told behind that."""
        for flow in self.flows:
            while flow.source is sock and flow.can_read and flow.pump():
                continue
        if sock is self.link and self.down is not None and self.down.kept and not self.down.has_ended:
            return
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise FlowError(sock, OSError(code, ""))

    def abort(self) -> None:
        """Close both sides so that neither can take what it has for all: by a reset, where there is such a thing."""
        for sock in (self.socket, self.link):
            if sock is not None:
                reset_on_close(sock)
        self.close()

    def close_link(self) -> None:
        """Close the side of the upstream."""
        if self.dial is not None:
            self.dial.close()
        link, self.link = self.link, None
        if link is not None:
            link.close()

    def close(self) -> None:
        """Close both sides."""
        self.close_link()
        super().close()


LogPass = Callable[[PassedConnection], None]  # told of each that is over


class Passes(NamedTuple):
    """What an event loop has to know of hosts that are passed on."""

    find: FindUpstream
    log: LogPass
