"""One request to an upstream, as an answer: first its header is awaited, then it is the body.

Rules: nothing here waits; to be connected and to have a header there is one deadline, and for the body one that begins
anew with each piece; a body that breaks off is broken off. The client learns that it failed, the error log why. An
upstream that says much which is no answer gives others their turn.
"""

import contextlib
import math
import socket
import time
from collections.abc import Callable, Collection

from gemd.config.types import Address
from gemd.protocol.errors import ProxyFailed
from gemd.protocol.response import BrokenBody, Helper, Response, when_writable
from gemd.protocol.status import has_body
from gemd.responders.cgi.header import FindHeader, find_header, quote
from gemd.responders.cgi.last_words import log_complaints
from gemd.responders.gateway.codec import Codec, CodecError
from gemd.responders.gateway.upstreams import Group, NoUpstream, Route
from gemd.system.log import error_log
from gemd.system.script_output import ScriptError

_PIECE = 64 * 1024  # bytes that are read at once
_MAX_PIECES = 16  # in a turn
_CONNECT_TIMEOUT = 5.0  # seconds
_MAX_UNSENT = 4 * 1024 * 1024  # bytes that follow a header without a body
_UNSENT_TIMEOUT = 1.0  # seconds for them


class Exchange:
    """`group` has the upstreams, `make_codec` makes what is said to the one at an address. `name` is the location's,
    for the log. An upstream has `seconds` for its header, and as many again for each piece of its body; `max_output`
    bytes in all. `find_header` has the header in what a codec has made of what came."""

    def __init__(
        self,
        group: Group,
        make_codec: Callable[[Address], Codec],
        name: str,
        seconds: float,
        max_output: float = math.inf,
        find_header: FindHeader = find_header,
    ) -> None:
        now = time.monotonic()
        self._route: Route = group.find_route(now + min(_CONNECT_TIMEOUT, seconds))
        self._make_codec = make_codec
        self._name = name
        self._find = find_header
        self._seconds = seconds
        self._until = now + seconds
        self._max_output = max_output
        self._helper: Helper | None = None
        self._socket: socket.socket | None = None
        self._codec: Codec | None = None
        self._unsent = b""
        self._output = b""  # that was read and not taken yet
        self._size = 0
        self._header: tuple[int, str] | None = None

    # What is waited for

    @property
    def descriptors(self) -> Collection[int]:
        """The upstream's socket, or that of the one which is being tried."""
        if self._socket is None:
            return self._route.descriptors
        fd = self._socket.fileno()
        return (fd, when_writable(fd)) if self._unsent else (fd,)

    @property
    def deadline(self) -> float:
        """When it is too late, or another address has its turn."""
        return self._until if self._socket is not None else min(self._until, self._route.deadline)

    def begin(self, helper: Helper) -> None:
        """Begin to connect."""
        self._helper = helper
        self._route.begin(helper)

    # The header

    def settle(self) -> Response | None:
        """The answer once its header is there; one without a body when all has come. Raises ProxyFailed (43)."""
        try:
            for _ in range(_MAX_PIECES):
                if not self._advance():
                    return None
                response = self._find_answer()
                if response is not None:
                    return response
        except (CodecError, NoUpstream, ScriptError) as error:
            if self._header is not None:
                error_log.warning("%s: %s %s after its answer %d", self._name, self._route, error, self._header[0])
                return Response(*self._header)
            error_log.error("%s: %s %s", self._name, self._route, error)
            raise ProxyFailed from None
        self._give_way()
        return None

    def _find_answer(self) -> Response | None:
        """Raises CodecError and ScriptError."""
        if self._header is None:
            self._find_header()
        if self._header is None:
            return None
        status, meta = self._header
        if has_body(status):
            return Response(status, meta, self)
        if self._is_over():
            return Response(status, meta)
        self._output = b""
        if self._size > _MAX_UNSENT:
            raise CodecError(f"sent more than {_MAX_UNSENT} bytes that are not sent")
        return None

    def _find_header(self) -> None:
        found = self._find(self._output)
        if found is not None:
            status, meta, self._output = found
            self._header = status, meta
            self._seconds = self._seconds if has_body(status) else min(self._seconds, _UNSENT_TIMEOUT)
            self._until = time.monotonic() + self._seconds
        elif self._is_over():
            shown = f": {quote(self._output)}" if self._output else ""
            raise CodecError(f"ended without a header{shown}")

    # The body

    def read(self) -> bytes | None:
        """The next piece of the body. Raises BrokenBody."""
        try:
            for _ in range(_MAX_PIECES):
                if self._output or self._is_over():
                    output, self._output = self._output, b""
                    return output
                if not self._advance():
                    return None
        except CodecError as error:
            raise BrokenBody(f"{self._name}: {self._route} {error}") from None
        self._give_way()
        return None

    def _give_way(self) -> None:
        """Be asked again after others."""
        assert self._helper is not None
        self._helper.wake()

    def _is_over(self) -> bool:
        return self._codec is not None and self._codec.is_complete

    # The way to the upstream and back

    def _advance(self) -> bool:
        """Send and receive what can be; False when nothing more can be done at the moment. Raises CodecError and
        NoUpstream."""
        if self._socket is None:
            connected = self._route.advance()
            if connected is None:
                self._check_time("could not be reached")
                return False
            self._socket = connected
            self._codec = self._make_codec(self._route.address)
        self._send()
        assert self._codec is not None
        has_more = self._codec.has_more
        data = b"" if has_more else self._receive()
        if data is None:
            self._check_progress()
            return False
        if data or has_more:
            output = self._codec.feed(data)
            if not output:
                self._check_progress()  # for what comes may never be any
            elif self._header is not None and has_body(self._header[0]):
                self._until = time.monotonic() + self._seconds
            self._size += len(output)
            if self._size > self._max_output:
                raise CodecError(f"sent more than {self._max_output} bytes (limits.cgi-output)")
            self._output += output
        else:
            self._codec.end()
        return True

    def _check_progress(self) -> None:
        self._check_time("did not answer" if self._header is None else "sent nothing more")

    def _check_time(self, text: str) -> None:
        if time.monotonic() >= self._until:
            raise CodecError(f"{text} within {self._seconds:g} s")

    def _send(self) -> None:
        """What it does not take any more, as it has its answer ready, is no fault: what it says will tell."""
        assert self._socket is not None
        assert self._codec is not None
        while data := self._unsent or self._codec.take():
            try:
                count = self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                count = 0
            except OSError:
                self._unsent = b""
                return
            self._unsent = data[count:]
            if self._unsent:
                return

    def _receive(self) -> bytes | None:
        """What has come, None where nothing has. Raises CodecError where it broke off."""
        assert self._socket is not None
        try:
            return self._socket.recv(_PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            raise CodecError(f"broke off: {error.strerror}") from None

    # The end

    def close(self) -> None:
        """Let go: an upstream that is still at it learns that by the end of its connection."""
        self._route.close()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
        if self._codec is not None:
            log_complaints(f"{self._name}: {self._route}", self._codec.complaints())
