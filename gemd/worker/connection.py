"""One client's connection, from accept to close: its socket, its TLS, its request and how far its answer got.

Rules: it knows how to send, and leaves it to others what and when; at the desk `write` never waits, in the side room it
waits for as long as its deadline allows.
"""

import contextlib
import select
import socket
import time

from gemd.protocol.errors import GeminiError
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request, RequestReader
from gemd.protocol.response import Later, Response
from gemd.responders.app.call import Call
from gemd.system.deadline import Deadline
from gemd.system.tls import TLSConnection, TLSError

# What has to get through within one response deadline: 128 KiB in 30 seconds is 4 KB a second.
BLOCK = 128 * 1024
_DRAIN_CHUNK = 16 * 1024
_DRAIN_MOST = 1024 * 1024


class Connection:
    """`waits` is set in the side room, where `write` may wait; `complete` once the whole answer was handed to TLS.

    `status`, `meta` and `sent` (header and body, in bytes) are what the log says of the answer.
    """

    __slots__ = (
        "_drained",
        "_outbox",
        "accepted",
        "answer",
        "complete",
        "deadline",
        "fd",
        "handshaken",
        "meta",
        "peer",
        "reader",
        "refusal",
        "request",
        "sent",
        "socket",
        "status",
        "tls",
        "waits",
    )

    def __init__(self, sock: socket.socket, tls: TLSConnection, peer: Peer, deadline: float) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.tls = tls
        self.peer = peer
        self.accepted = time.monotonic()
        self.deadline = deadline
        self.handshaken = False
        self.reader = RequestReader(peer)
        self.request: Request | None = None
        self.refusal: GeminiError | None = None
        self.answer: Response | Later | Call | None = None
        self.waits: float | None = None
        self.status = 0
        self.meta = ""
        self.sent = 0
        self.complete = False
        self._outbox: bytes | None = None
        self._drained = 0

    @property
    def age(self) -> float:
        """Seconds since accept."""
        return time.monotonic() - self.accepted

    @property
    def url(self) -> str:
        """What was asked for, as sent; what is not UTF-8 is escaped."""
        return self.request.url.text if self.request is not None else self.reader.line

    def write(self, data: bytes) -> None:
        """Send `data`. At the desk what does not fit is kept for `flush`; in the side room it is waited for, block by
        block, each within the response deadline. Raises TLSError when the client is gone or too slow."""
        if self.waits is None:
            if not self.tls.send(data):
                self._outbox = data
            self.sent += len(data)
            return
        for start in range(0, len(data), BLOCK):
            block = data[start : start + BLOCK] if len(data) > BLOCK else data
            self._write_block(block, Deadline(self.waits))
            self.sent += len(block)

    def _write_block(self, block: bytes, deadline: Deadline) -> None:
        while not self.tls.send(block):
            poll = select.poll()
            poll.register(self.fd, select.POLLOUT)
            if deadline.has_passed() or not poll.poll(deadline.milliseconds()):
                raise TLSError("the client reads too slowly")

    def flush(self) -> bool:
        """Send what is kept; False when the socket still takes no more. Raises TLSError."""
        if self._outbox is None:
            return True
        if not self.tls.send(self._outbox):
            return False
        self._outbox = None
        return True

    def say_goodbye(self) -> bool:
        """Say close_notify, without waiting for the client's, and that nothing follows; False when the socket takes
        no more at the moment. Raises TLSError."""
        if not self.tls.send_close_notify():
            return False
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return True

    def drain(self, *, has_ended: bool) -> bool:
        """Take and forget what the client still sends: a close with unread bytes would reset the connection, and
        destroy the end of the answer on its way. True when the client is done, or has sent too much.

        `has_ended` says that the client's FIN is here, so that what does not fill the buffer is the last piece.
        """
        try:
            while self._drained < _DRAIN_MOST:
                data = self.socket.recv(_DRAIN_CHUNK)
                if not data or (has_ended and len(data) < _DRAIN_CHUNK):
                    return True
                self._drained += len(data)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        self.socket.close()
