"""One direction of a connection that is passed on: from one socket to another, as it comes.

Rules: nothing here waits; what the sink does not take is kept, at most MAX_KEPT bytes, and nothing more is read before
all of that is gone; the end of the source becomes the end of what the sink is sent, after all that came before.
"""

import errno
import socket

from gemd.system.client_socket import acknowledge_now, count_undelivered

MAX_KEPT = 64 * 1024
_SMALL = 4096  # bytes after which the source may wait for an acknowledgement, if it leaves Nagle's algorithm on
_RECEIVE_FLAGS = int(socket.MSG_DONTWAIT)
_SEND_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_BUFFER = memoryview(bytearray(MAX_KEPT))  # of the event loop alone, and empty between two calls


class FlowError(Exception):
    """One of the two sockets is done for, or takes no more if `is_sink`; the text says why, in words fit for a log
    line."""

    def __init__(self, sock: socket.SocketType, error: OSError, *, is_sink: bool = False) -> None:
        super().__init__(errno.errorcode.get(error.errno or 0, str(error.errno)))
        self.socket = sock
        self.is_sink = is_sink


class Flow:
    """`sent` counts the bytes that the sink's kernel has taken. `has_ended` once the source has, and `is_over` once the
    sink was told; `kept` is what the sink has not taken yet."""

    __slots__ = ("_delivered_before", "has_ended", "is_over", "kept", "sent", "sink", "source")

    def __init__(self, source: socket.SocketType, sink: socket.SocketType, kept: bytes = b"") -> None:
        self.source = source
        self.sink = sink
        self.kept: bytes | memoryview = kept
        self.sent = 0
        self.has_ended = self.is_over = False
        self._delivered_before = 0

    def pump(self) -> bool:
        """Move a piece of what is here, as far as the sink takes it, so that others have their turn before the next.
        Whether anything has moved. Raises FlowError."""
        before = self.sent
        had_ended = self.has_ended
        if self.is_over:
            return False
        if self._flush() and not self.has_ended:
            self._move()
        if self.has_ended and not self.kept and not self.is_over:
            self._pass_end()
        return self.sent > before or self.has_ended is not had_ended

    def _flush(self) -> bool:
        """Send what is kept; False where the sink does not take all of it."""
        while self.kept:
            count = self._send(self.kept)
            if not count:
                return False
            # Not a view of it, which would keep what was sent along with what was not.
            self.kept = memoryview(self.kept)[count:] if count < len(self.kept) else b""
        return True

    def _move(self) -> None:
        try:
            size = self.source.recv_into(_BUFFER, MAX_KEPT, _RECEIVE_FLAGS)
        except BlockingIOError:
            return
        except OSError as error:
            raise FlowError(self.source, error) from None
        if not size:
            self.has_ended = True
            return
        if size < _SMALL:
            acknowledge_now(self.source)
        count = self._send(_BUFFER[:size])
        if count < size:
            self.kept = bytes(_BUFFER[count:size])

    def _send(self, data: bytes | memoryview) -> int:
        try:
            count = self.sink.send(data, _SEND_FLAGS)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise FlowError(self.sink, error, is_sink=True) from None
        self.sent += count
        return count

    def _pass_end(self) -> None:
        self.is_over = True
        try:
            self.sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise FlowError(self.sink, error, is_sink=True) from None

    def give_up(self) -> None:
        """Nothing more can be sent this way."""
        self.is_over = True
        self.kept = b""

    @property
    def can_read(self) -> bool:
        """Whether something that comes would be taken."""
        return not (self.kept or self.has_ended or self.is_over)

    # Progress

    @property
    def delivered(self) -> int:
        """How many bytes the kernel of the other end has acknowledged."""
        return self.sent - count_undelivered(self.sink)

    @property
    def progress(self) -> int:
        """How many of them since the last `note_progress`."""
        return self.delivered - self._delivered_before

    def note_progress(self) -> None:
        """Count progress from now on."""
        self._delivered_before = self.delivered
