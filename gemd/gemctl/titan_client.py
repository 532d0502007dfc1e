"""The client's side of an upload by Titan: a request line, a body, and an answer that may come before all of that.

Rules: a server that refuses need not read the body, so that its answer is looked for between any two pieces, and
sending ends with it; progress is what has left for the network, and not what waits in this machine's buffers.
"""

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from typing import BinaryIO

from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import GeminiConnection, Header, say_reason
from gemd.protocol.quantities import format_count
from gemd.protocol.status import has_body, is_redirect

_PIECE = 64 * 1024  # bytes that are read from the file at once
_MAX_UNSENT = 128 * 1024  # bytes that wait in the kernel: else a slow line would seem to stand still


class Sending:
    """`size` bytes of `file`, from where it is now. `sent` of them are on their way; `report` is told how many."""

    def __init__(self, file: BinaryIO, size: int, report: Callable[[int], None]) -> None:
        self.size, self.sent = size, 0
        self._file = file
        self._report = report
        self._piece = memoryview(b"")

    def next_piece(self) -> memoryview:
        """What is to be sent next. Raises Failure where the file ends too early."""
        if not self._piece:
            try:
                self._piece = memoryview(self._file.read(min(_PIECE, self.size - self.sent)))
            except OSError as error:
                raise Failure(f"what is to be sent can't be read on: {error.strerror}") from None
            if not self._piece:
                raise Failure(f"the file has become shorter: it ended {self.progress}, so nothing is stored")
        return self._piece

    def advance(self, count: int) -> None:
        """So many bytes of the piece were sent."""
        self._piece = self._piece[count:]
        self.sent += count
        self._report(self.sent)

    @property
    def progress(self) -> str:
        """ "after 1,024 of 4,096 bytes"."""
        return f"after {format_count(self.sent)} of {format_count(self.size)} bytes"


def send_upload(connection: GeminiConnection, url: str, body: Sending) -> Header:
    """Send the request line and the body; the header of the answer. Raises Failure, also where a server says that it
    has stored what it can't have seen."""
    connection.tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MAX_UNSENT)
    connection.send_line(url)
    first, fault = b"", None
    try:
        first = _send(connection, body)
    except OSError as error:
        fault = error  # what the server has said before can still be read
    connection.start_anew()
    try:
        header = connection.read_header(first)
    except Failure:
        if fault is None:
            raise
        raise Failure(f"{connection.place} broke off {body.progress}: {say_reason(fault)}") from None
    if body.sent == body.size:
        return header
    with contextlib.suppress(OSError):  # it has left already
        socket.socket.shutdown(connection.tls, socket.SHUT_WR)  # it need not wait for the rest
    if has_body(header.status) or is_redirect(header.status):
        raise Failure(f"{connection.place} answered {header.status} {body.progress}, which can't be all that it stored")
    return header


def _send(connection: GeminiConnection, body: Sending) -> bytes:
    """Send the body, until something comes of the answer: that is returned, or b"". Raises OSError, and Failure for a
    server that takes no more."""
    tls = connection.tls
    tls.setblocking(False)
    poll = select.poll()
    poll.register(tls, select.POLLIN | select.POLLOUT)
    while body.sent < body.size:
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            first = tls.recv(_PIECE)
            if not first:
                raise ConnectionAbortedError("it said that nothing more comes")
            return first
        try:
            body.advance(tls.send(body.next_piece()))
        except ssl.SSLWantWriteError:
            poll.modify(tls, select.POLLIN | select.POLLOUT)
        except ssl.SSLWantReadError:
            poll.modify(tls, select.POLLIN)
        else:
            continue
        if not poll.poll(connection.timeout * 1000):
            raise Failure(f"{connection.place} took nothing more for {connection.timeout:g} s, {body.progress}")
    return b""
