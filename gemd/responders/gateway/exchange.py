"""One request to an upstream, as an answer: first its header is awaited, then it is the body.

Rules: nothing here waits, or goes on for long while others wait; for the header there is one deadline, and for the body
one that begins anew with each piece; a body that breaks off is broken off. The client learns that it failed, the error
log why.
"""

import math
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from gemd.config.types import Address
from gemd.protocol.errors import Overloaded, ProxyFailed
from gemd.protocol.response import BrokenBody, ClientLeft, Helper, Response
from gemd.protocol.status import has_body
from gemd.responders.cgi.header import FindHeader, find_header, quote
from gemd.responders.cgi.last_words import log_complaints
from gemd.responders.gateway.codec import BadAnswer, Codec, CodecError, UploadFault
from gemd.responders.gateway.link import PIECE, UpstreamLink
from gemd.responders.gateway.route import NoUpstream, Route
from gemd.responders.gateway.upstreams import Upstreams
from gemd.system.log import error_log
from gemd.system.script_output import ScriptError

if TYPE_CHECKING:  # HTTP passes none on
    from gemd.responders.gateway.upload_body import RelayedBody

_MAX_RECEIVED = 4  # of those at a time, so that others have their turn
_END_TIMEOUT = 1.0  # seconds for an upstream to end behind a header that has no body


class RelayedRequest:
    """To one of the `upstreams`; `make_codec` makes what is said to the one at an address. It has `timeout` seconds for
    its header, and as many again for each piece of its body, and of the `upload`; `max_output` bytes in all.
    `find_header` has the header in what a codec has made of what came."""

    def __init__(
        self,
        upstreams: Upstreams,
        make_codec: Callable[[Address], Codec],
        timeout: float,
        max_output: float = math.inf,
        find_header: FindHeader = find_header,
        upload: "RelayedBody | None" = None,
    ) -> None:
        self._upstreams = upstreams
        self._upload = upload
        self._route = Route(upstreams, timeout)
        self._make_codec = make_codec
        self._find = find_header
        self._timeout = timeout
        self._max_output = max_output
        self._until = time.monotonic() + timeout  # for its turn to come, or what follows
        self._helper: Helper | None = None
        self._link: UpstreamLink | None = None
        self._output = b""  # that has come and was not taken yet
        self._size = 0
        self._failure: CodecError | None = None  # behind that
        self._has_had_turn = False  # and there would be more at once
        self._header: tuple[int, str] | None = None

    def __str__(self) -> str:
        return f"{self._upstreams.name}: {self._route}"

    # What is waited for

    @property
    def descriptors(self) -> Collection[int]:
        """The upstream's socket, or that of the one which is being tried."""
        return self._route.descriptors if self._link is None else self._link.descriptors

    @property
    def deadline(self) -> float:
        """When it is too late, or another address has its turn."""
        limit = min(self._until, self._upstreams.last_moment or math.inf)
        return min(limit, self._route.deadline) if self._link is None and self._route.has_turn else limit

    def begin(self, helper: Helper) -> None:
        """Have its turn come."""
        self._helper = helper
        self._route.begin(helper, self._renew)

    def _renew(self) -> None:
        self._until = time.monotonic() + self._timeout

    def _note_progress(self) -> None:
        """The upstream has taken a piece of what is uploaded, and has its time for the next, or for its header."""
        if self._header is None:
            self._renew()

    # The header

    def settle(self) -> Response | None:
        """The answer once its header is there. Raises ProxyFailed (43), and Overloaded (41) where its turn does not
        come, or its client has too many already."""
        try:
            self._advance()
            header = self._find_header()
            response = self._find_answer(*header) if header is not None else None
            if header is None:
                self._check_time()
        except (CodecError, NoUpstream, ScriptError) as error:
            error_log.error("%s %s", self, error)
            if self._link is not None and not self._size and not isinstance(error, BadAnswer | UploadFault):
                self._route.leave_out(str(error))
            self._upstreams.count(ProxyFailed.status)
            raise ProxyFailed from None
        if response is None:
            self._ask_again()
        else:
            self._upstreams.count(response.status)
        return response

    def _find_header(self) -> tuple[int, str] | None:
        """Once it is there. Raises CodecError, and ScriptError for one that is none."""
        if self._header is not None:
            return self._header
        found = self._find(self._output)
        if found is not None:
            status, meta, self._output = found
            self._header = status, meta
            self._until = math.inf if has_body(status) else time.monotonic() + _END_TIMEOUT
        elif self._failure is not None:
            raise self._failure
        elif self._is_over:
            shown = f": {quote(self._output)}" if self._output else ""
            raise CodecError(f"ended without a header{shown}")
        return self._header

    def _check_time(self) -> None:
        """Raise CodecError where it is too late for a header, and Overloaded (41) where its turn does not come."""
        now, last_moment = time.monotonic(), self._upstreams.last_moment
        if self._route.is_refused or (now >= self._until and not self._route.has_turn):
            self._upstreams.count(Overloaded.status)
            raise Overloaded
        if now >= self._until:
            raise CodecError(f"did not answer within {self._timeout:g} s (timeout)")
        if last_moment is not None and now >= last_moment:
            raise CodecError("did not answer before its worker has to end (timeouts.stop)")

    def _find_answer(self, status: int, meta: str) -> Response | None:
        if not has_body(status):
            self._output = b""
            return Response(status, meta) if self._is_over or time.monotonic() >= self._until else None
        if self._failure is not None and not self._output:
            raise self._failure  # while the client can be told
        if self._is_over and self._failure is None and len(self._output) <= PIECE:
            return Response(status, meta, self._take_output())
        return Response(status, meta, self)

    # The body

    def read(self) -> bytes | None:
        """The next piece of the body. Raises BrokenBody, and ClientLeft where the worker ends."""
        last_moment = self._upstreams.last_moment
        if last_moment is not None and time.monotonic() >= last_moment:  # as planned, so that it is no warning
            raise ClientLeft(f"{self} goes on, and its worker ends")
        if self._has_had_turn:
            self._has_had_turn = bool(self._output)
        elif not self._output and not self._is_over:
            self._advance()
        if self._output:
            self._until = math.inf
            return self._take_output()
        if not self._is_over:
            self._await_more()
            self._ask_again()
        if self._failure is not None:
            raise BrokenBody(f"{self} {self._failure}")
        return b"" if self._is_over else None

    def _await_more(self) -> None:
        """Its time runs while there is nothing to read, and not while the client reads slowly."""
        if self._until == math.inf:
            self._renew()
        elif time.monotonic() >= self._until:
            self._failure = CodecError(f"sent nothing more within {self._timeout:g} s (timeout)")

    def _ask_again(self) -> None:
        """What is with the codec already is not told of by a descriptor."""
        if self._link is not None and self._link.codec.has_more and self._helper is not None:
            self._helper.wake()

    def _take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    # The way to the upstream and back

    @property
    def _is_over(self) -> bool:
        """Whether nothing more comes."""
        return self._failure is not None or (self._link is not None and self._link.codec.is_complete)

    def _advance(self) -> None:
        """Send and receive what can be, up to a turn's share. What ends it is in `_failure`. Raises NoUpstream."""
        if self._link is None and not self._connect():
            return
        assert self._link is not None
        try:
            for _ in range(_MAX_RECEIVED):
                if self._is_over or len(self._output) >= PIECE:
                    break
                output = self._link.advance()
                if output is None:
                    break
                self._take(output)
                if self._link.codec.has_more:  # that was much to look at
                    self._has_had_turn = bool(self._output)
                    break
        except CodecError as error:
            self._failure = error
        if self._is_over:
            self._route.leave()

    def _connect(self) -> bool:
        """Whether there is a link by now. Raises NoUpstream, and CodecError where nothing can be said by it."""
        sock = self._route.advance()
        if sock is None:
            return False
        try:
            self._link = UpstreamLink(sock, self._make_codec(self._route.address))
            if self._upload is not None and self._helper is not None:
                self._upload.begin(self._helper, self._note_progress)
        except CodecError:
            sock.close()
            raise
        return True

    def _take(self, output: bytes) -> None:
        """What is new of the answer. Raises CodecError where that is too much."""
        self._size += len(output)
        if self._size > self._max_output:
            raise CodecError(f"sent more than {self._max_output} bytes (limits.cgi-output)")
        self._output += output

    # The end

    def close(self) -> None:
        """Let go: an upstream that is still at it learns that by the end of its connection."""
        self._route.close()
        if self._upload is not None:
            self._upload.close()
        if self._link is not None:
            self._link.close()
            log_complaints(str(self), self._link.codec.complaints())
