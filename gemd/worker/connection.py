"""A client's connection, from accept to close: its socket, its TLS, its request, and how far its answer got.

Rules: nothing here waits, each call says so to the kernel; what the socket does not take stays in the outbox, and is
sent before anything else is added.
"""

import errno
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gemd.protocol.errors import GeminiError
from gemd.protocol.peer import Peer
from gemd.protocol.proxy_header import ProxyHeader
from gemd.protocol.proxy_reader import ProxyHeaderReader
from gemd.protocol.request import Request, RequestReader
from gemd.protocol.response import Pending, Source
from gemd.responders.attribution import NOWHERE
from gemd.system.client_socket import count_undelivered, reset_on_close
from gemd.system.tls import TAKE_SIZE, TLSConnection, TLSError
from gemd.worker.ordered import Ordered
from gemd.worker.pieces import Pieces

if TYPE_CHECKING:
    from gemd.worker.incoming import IncomingBody

_RECEIVE_FLAGS = int(socket.MSG_DONTWAIT)  # an enumeration's member would be made anew by each "|"
_SEND_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_NOTHING_FOLLOWS = int(socket.SHUT_WR)
_PART_SIZE = 64 * 1024  # bytes that go out together, and what is left of a piece
_MAX_PIECES = 8  # that go out together
_ORDINARY = 2048  # bytes of a handshake, with a certificate of the client's own
_TLS_FACTOR = 18  # bytes that OpenSSL keeps for each of what is beyond that, where it is many small certificates


class Connection:
    """`state` is what it is in: read, blocked, awaited, runnable, lingering; None for a moment. `deadline` is when it
    ends, in monotonic seconds. `received` counts the bytes that came in the handshake, whose number `handshake_size`
    keeps, and then those that came before the request was complete. `header_reader` is there while a proxy's header is
    awaited, and `proxy_header` is what it said; `hello` is what came since, until it tells whose connection it is.

    `pending` is an answer that is not known yet. `head` is what comes first, the header and all of a body of bytes, and
    `source` a body that follows it; `watched` are the descriptors that an answer waits for. `complete` once the whole
    answer and close_notify are encrypted. `status`, `meta` and `sent` (header and body, in bytes) are what the log says
    of the answer; `drained` counts what the client has sent since. `leave` is called once it is closed. `upload` is the
    body that comes behind the request, and was taken; `place` is where the answer is counted.
    """

    __slots__ = (
        *("_delivered_before", "_outbox", "_taken", "accepted", "complete", "deadline", "drained", "fd"),
        *("handshake_size", "handshaken", "head", "header_reader", "hello", "leave", "meta", "peer", "pending"),
        *("place", "proxy_header", "reader", "received", "refusal", "renewed", "request", "sent", "socket", "source"),
        *("state", "status", "tls", "upload", "watched"),
    )

    def __init__(self, sock: socket.SocketType, tls: TLSConnection, peer: Peer, deadline: float) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.tls = tls
        self.peer = peer
        self.accepted = self.renewed = time.monotonic()
        self.state: Ordered[Connection] | None = None
        self.deadline = deadline
        self.hello: bytes | None = None
        self.handshaken = self.complete = False
        self.received = self.handshake_size = self.status = self.sent = 0
        self.header_reader: ProxyHeaderReader | None = None
        self.proxy_header: ProxyHeader | None = None
        self.reader = RequestReader(peer)
        self.request: Request | None = None
        self.refusal: GeminiError | None = None
        self.pending: Pending | None = None
        self.source: Source | None = None
        self.watched: set[int] = set()
        self.head = b""
        self.meta = ""
        self.place = NOWHERE
        self._outbox: bytes | memoryview = b""
        self._taken = self._delivered_before = self.drained = 0
        self.leave: Callable[[], None] | None = None
        self.upload: IncomingBody | None = None

    @property
    def client(self) -> str:
        """Whom limits count this connection for."""
        return self.peer.client

    @property
    def url(self) -> str:
        """What was asked for, as sent; what is not UTF-8 is escaped."""
        return self.request.url.text if self.request is not None else self.reader.line

    @property
    def outgoing(self) -> int:
        """How many bytes are in the outbox."""
        return len(self._outbox)

    @property
    def held(self) -> int:
        """About how many bytes of memory the client makes this connection hold: its outbox, and what TLS keeps."""
        held = len(self._outbox) + _TLS_FACTOR * max(0, self.handshake_size + self.received - _ORDINARY)
        return held if self.upload is None else held + self.upload.held

    @property
    def body(self) -> bytes:
        """What it holds besides, until all of it is sent, and others may hold with it: a long listing; or b""."""
        return self.source.body if isinstance(self.source, Pieces) else b""

    def leave_state(self) -> None:
        """It is in none, for the moment."""
        if self.state is not None:
            self.state.remove(self)

    def renew(self, deadline: float) -> None:
        """Another deadline, and from now on progress counts."""
        self.deadline = deadline
        self.renewed = time.monotonic()
        self._delivered_before = self._taken - count_undelivered(self.socket)
        if self.upload is not None:
            self.upload.note_progress()

    @property
    def progress(self) -> int:
        """How many bytes the client's kernel has acknowledged since the deadline was renewed; of an upload, have come.

        That Linux calls a socket writable says less: a third of its send buffer has to be free, which may be megabytes.
        """
        if self.upload is not None and not self.upload.is_over:
            return self.upload.progress
        return self._taken - count_undelivered(self.socket) - self._delivered_before

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes from the socket; None when none are here, b"" at their end. Raises TLSError."""
        try:
            return self.socket.recv(size, _RECEIVE_FLAGS)
        except BlockingIOError:
            return None
        except OSError as error:
            raise TLSError(_name(error)) from None

    def write(self, data: bytes) -> None:
        """Encrypt a piece of the answer, behind its head if that is still here; `flush` sends it. Raises TLSError."""
        if self.head:
            data, self.head = self.head + data, b""
        self.tls.write(data)
        self.sent += len(data)

    def write_part(self) -> bool:
        """Encrypt what comes next, as much as goes out together; False when there is no more yet. Raises TLSError,
        BrokenBody and ClientLeft."""
        size = 0
        for _ in range(_MAX_PIECES):
            data = self.source.read() if self.source is not None else b""
            if data is None:
                if self.head:
                    self.write(b"")  # the client need not wait for the header
                return False
            self.write(data)
            if not data:
                self.end()
                break
            size += len(data)
            if size >= _PART_SIZE:
                break
        return True

    def end(self) -> None:
        """Encrypt close_notify: the answer is complete. Raises TLSError."""
        self.tls.send_close_notify()
        self.complete = True

    def flush(self) -> bool:
        """Send what there is; False when the socket takes no more at the moment. Raises TLSError.

        Nothing is written before all that was is sent, so that there is only one piece to look after.
        """
        while outgoing := self._outbox or self.tls.take():
            try:
                count = self.socket.send(outgoing, _SEND_FLAGS)
            except BlockingIOError:
                count = 0
            except OSError as error:
                self._outbox = b""
                raise TLSError(_name(error)) from None
            self._taken += count
            if count < len(outgoing):
                self._keep(outgoing[count:])
                return False
            if not self._outbox and len(outgoing) < TAKE_SIZE:
                break
            self._outbox = b""  # TLS may have more
        return True

    def _keep(self, rest: bytes | memoryview) -> None:
        """Have what the socket does not take, and what TLS has behind it, in the outbox."""
        if not self._outbox:  # it is in a buffer that all connections share
            pieces = [bytes(rest)]
            while more := self.tls.take():
                pieces.append(bytes(more))
            rest = memoryview(b"".join(pieces))
            if self.request is not None:  # else the end of a handshake may have brought some of it
                self.tls.shrink()
        self._outbox = rest

    def take_time(self) -> None:
        """More follows what is sent now. Without close_notify the client tells from a reset that it never came, even
        where this process has been killed."""
        if self.tls.is_plain:
            reset_on_close(self.socket)

    def shut_down(self) -> None:
        """Tell the client's kernel that nothing follows."""
        if self.tls.is_plain:
            reset_on_close(self.socket, is_reset=False)
        try:
            self.socket.shutdown(_NOTHING_FOLLOWS)
        except OSError:
            return  # there is nobody to tell

    def let_go(self, *, is_over: bool = False) -> None:
        """Let go of the answer, as far as there is one, and of the upload that it may need, if all is over. Raises what
        the answer's own close raises, and has let go then too."""
        answer = self.source if self.pending is None else self.pending
        self.pending = self.source = None
        self.head = b""
        try:
            if answer is not None:
                answer.close()
        finally:
            if is_over and self.upload is not None:
                self.upload.close()

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        self._outbox = b""
        if self.tls.is_plain and self.sent and not self.complete:
            reset_on_close(self.socket)
        self.socket.close()
        if self.leave is not None:
            leave, self.leave = self.leave, None
            leave()
        self.let_go(is_over=True)


ReportLoss = Callable[[Connection, str], None]  # told of each connection that ended otherwise than it should, and why


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))
