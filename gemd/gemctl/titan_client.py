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
from gemd.gemctl.gemini_client import GeminiConnection, Header, is_cut, say_reason
from gemd.protocol.quantities import format_count
from gemd.protocol.status import has_body, is_redirect
from gemd.system.deadline import Deadline

_PIECE = 64 * 1024  # bytes that are read from the file at once
_MAX_BLIND = 16 * 1024  # bytes that are sent without waiting whether they are wanted
_PATIENCE = 0.3  # seconds
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
        reason = "it closed the connection" if is_cut(fault) else say_reason(fault)
        raise Failure(f"{connection.place} broke off {body.progress}, without an answer: {reason}") from None
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
    if body.size > _MAX_BLIND and (first := _wait_for_refusal(tls)):
        return first
    poll = select.poll()
    poll.register(tls, select.POLLIN | select.POLLOUT)
    deadline = Deadline(connection.timeout)
    while body.sent < body.size:
        if first := _receive_early(tls):
            return first
        try:
            body.advance(tls.send(body.next_piece()))
        except ssl.SSLWantWriteError:
            poll.modify(tls, select.POLLIN | select.POLLOUT)
        except ssl.SSLWantReadError:
            poll.modify(tls, select.POLLIN)
        else:
            deadline = Deadline(connection.timeout)
            continue
        if not deadline.remaining() or not poll.poll(deadline.milliseconds()):
            raise Failure(f"{connection.place} took nothing more for {connection.timeout:g} s, {body.progress}")
    return b""


def _wait_for_refusal(tls: ssl.SSLSocket) -> bytes:
    """What a server says of the request line alone. One that closes with a part of the body unread resets the
    connection, and what it has said may be lost. Raises OSError."""
    deadline = Deadline(_PATIENCE)
    poll = select.poll()
    poll.register(tls, select.POLLIN)
    while deadline.remaining() and poll.poll(deadline.milliseconds()):
        if first := _receive_early(tls):  # and no session ticket
            return first
    return b""


def _receive_early(tls: ssl.SSLSocket) -> bytes:
    """What has come of an answer, b"" if nothing has. Raises OSError."""
    try:
        first = tls.recv(_PIECE)
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return b""
    if not first:
        raise ConnectionAbortedError
    return first
