"""An application in a process of its own, as a worker asks it: each call is a FastCGI request on a socket of its own.

Rules: the worker waits for nobody: a process that is being started finds the calls that were made meanwhile, and one
that has ended has broken off those that it had begun. Only its last word makes an answer complete.
"""

import contextlib
import socket
import time
from collections.abc import Collection, Mapping

from gemd.protocol.errors import CGIError, Overloaded
from gemd.protocol.fastcgi import AnswerReader, FastCGIError, ProtocolStatus, encode_request
from gemd.protocol.reference import clean_meta
from gemd.protocol.response import MAX_META, BrokenBody, ClientLeft, Helper, Response
from gemd.protocol.status import has_body
from gemd.responders.app.output import PIECE_SIZE
from gemd.system.default_timeout import ignore_default_timeout
from gemd.system.descriptors import send_descriptors
from gemd.system.log import error_log

_MAX_HEADER = MAX_META + len("20 \r\n")  # bytes, with its end
_PIECE = 64 * 1024  # bytes that are read at once
_GRACE = 1.0  # seconds beyond its time, for the process to say so itself


class AppProcess:
    """What leads to the process. By `requests` calls are handed over to it, each with `seconds` for its answer."""

    def __init__(self, name: str, requests: socket.socket, seconds: float) -> None:
        self.name = name
        self.last_moment: float | None = None
        self.seconds = seconds
        self._requests = requests

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds."""
        self.last_moment = min(moment, self.last_moment or moment)

    def hand_over(self, request: bytes, body: int | None = None) -> socket.socket:
        """Ask it, with an upload by its descriptor; the socket by which it answers. Raises OSError: BlockingIOError
        where too many wait already."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with its:
            try:
                ignore_default_timeout(ours)
                if ours.send(request, socket.MSG_DONTWAIT) < len(request):
                    raise BlockingIOError
                descriptors = [its.fileno(), body] if body is not None else [its.fileno()]
                send_descriptors(self._requests, b"\0", descriptors)
            except OSError:
                ours.close()
                raise
        return ours


class RelayedCall:
    """One call. First its header is awaited, then it is the body, unless that is complete by then."""

    def __init__(self, process: AppProcess, params: Mapping[bytes, bytes], url: str, body: int | None = None) -> None:
        """`body` is the descriptor of an upload, which has to be open when this begins."""
        self._process = process
        self._request = encode_request(params)
        self._url = url
        self._body = body
        self._end_at = time.monotonic() + process.seconds + _GRACE
        self._socket: socket.socket | None = None
        self._failure: OSError | None = None
        self._reader = AnswerReader()
        self._output = b""  # that was read and not taken yet
        self._header: tuple[int, str] | None = None

    @property
    def descriptors(self) -> Collection[int]:
        """The socket's."""
        return (self._socket.fileno(),) if self._socket is not None else ()

    @property
    def deadline(self) -> float:
        """When its time is over, or its worker's."""
        return min(self._end_at, self._process.last_moment or self._end_at)

    def begin(self, helper: Helper) -> None:
        """Hand it over."""
        try:
            self._socket = self._process.hand_over(self._request, self._body)
        except OSError as error:
            self._failure = error
            helper.wake()

    def settle(self) -> Response | None:
        """What to send: all of it where it is over, else this as the body; None while there is nothing to say.

        Raises CGIError (42) where it failed before its first byte, and Overloaded (41) where it could not begin.
        """
        if self._failure is not None:
            if not isinstance(self._failure, BlockingIOError):
                self._complain(f"can't be asked: {self._failure.strerror}")
            raise Overloaded
        try:
            self._receive()
            if self._header is None and not self._find_header():
                self._check_time()
                return None
        except _Broken as error:
            self._complain(str(error))
            raise CGIError("An unexpected error occurred") from None
        return self._answer()

    def _answer(self) -> Response | None:
        assert self._header is not None
        status, meta = self._header
        end = self._reader.end
        if not has_body(status):
            return Response(status, meta)
        if end is not None and end.app_status == 0 and len(self._output) <= PIECE_SIZE:
            output, self._output = self._output, b""
            return Response(status, meta, output)
        return Response(status, meta, self)

    def _find_header(self) -> bool:
        """Whether it is there. Raises Overloaded, and _Broken."""
        end = self._reader.end
        if end is None and b"\r\n" not in self._output and len(self._output) <= _MAX_HEADER:
            return False
        if end is not None and not self._output:
            if end.protocol_status == ProtocolStatus.OVERLOADED:
                raise Overloaded
            raise _Broken("ended without an answer")
        line, _, rest = self._output.partition(b"\r\n")
        try:
            status = int(line[:2])
            meta = clean_meta(status, line[3:].decode())
        except ValueError as error:
            raise _Broken(f"has a bad header {line[:100]!r}: {error}") from None
        self._header, self._output = (status, meta), rest
        return True

    def _check_time(self) -> None:
        """Raise CGIError where nobody can wait any longer for its header."""
        now = time.monotonic()
        if now >= self.deadline:
            limit = "timeouts.app" if now >= self._end_at else "timeouts.stop"
            self._complain(f"did not answer in time ({limit})")
            raise CGIError("The application took too long")

    def _complain(self, text: str) -> None:
        error_log.error("the application %s %s, asked for %s", self._process.name, text, error_log.show_url(self._url))

    def read(self) -> bytes | None:
        """What has come since. Raises BrokenBody when the application failed or takes too long, and ClientLeft when the
        worker ends."""
        name = self._process.name
        try:
            self._receive()
        except _Broken as error:
            raise BrokenBody(f"the application {name} {error}") from None
        if self._output:
            output, self._output = self._output, b""
            return output
        end = self._reader.end
        if end is not None:
            if end.app_status:
                raise BrokenBody(f"the application {name} broke its answer off")
            return b""
        now = time.monotonic()
        if now >= self._end_at:
            raise BrokenBody(f"the application {name} took too long (timeouts.app)")
        if now >= self.deadline:  # as planned, so that it is no warning
            raise ClientLeft(f"the application {name} goes on, and its worker ends")
        return None

    def _receive(self) -> None:
        """Take what has come, up to a piece. Raises _Broken where its end does not come any more."""
        has_more = self._header is not None and bool(self._output)
        if has_more or self._reader.end is not None or self._socket is None:
            return
        try:
            data = self._socket.recv(_PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise _Broken("ended before its answer did")
        try:
            self._output += self._reader.feed(data)
        except FastCGIError as error:
            raise _Broken(f"can't be understood: {error}") from None

    def close(self) -> None:
        """Let go: a process that is still at it learns that by the end of the socket."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


class _Broken(Exception):
    """There will be no answer; the text says why."""
