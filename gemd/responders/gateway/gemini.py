"""Gemini, as a worker asks another server by it.

Rules: the server is judged before the request goes out, and before our certificate does; an answer without a body is
whole with its header, any other with close_notify alone.
"""

from collections.abc import Callable

from gemd.protocol.status import Status
from gemd.protocol.tls_record import RecordStream
from gemd.responders.gateway.codec import CodecError, RequestBody
from gemd.system.server_trust import Chain, Distrusted
from gemd.system.tls import TLSError
from gemd.system.tls_client import ClientConnection

_NOT_SERVED = str(int(Status.PROXY_REQUEST_REFUSED)).encode()
_HINT = b" (it is asked for a host and port that are not its own: see rewrite-host and sni)"
_MOST_RECORDS = 64  # at a time: with one byte each they take some 0.5 ms, and as new keys 3 ms
_MOST_OTHERS = 64  # records without a byte of the answer, as tickets and new keys are, for which there are no others


class GeminiCodec:
    """`tls` is a connection that has not begun, `check` judges the server's certificates and raises Distrusted; `first`
    goes before all else, in the clear, and `line` is the request with its end."""

    def __init__(
        self,
        tls: ClientConnection,
        check: Callable[[Chain], None],
        line: bytes,
        first: bytes = b"",
        upload: RequestBody | None = None,
    ) -> None:
        """`upload` follows the line. Raises CodecError."""
        self.is_complete = False
        self.has_more = False
        self._tls = tls
        self._check = check
        self._line = line
        self._first = first
        self._upload = upload
        self._is_judged = False
        self._is_secure = False
        self._records = RecordStream()
        self._others = 0
        self._header = b""
        self._has_header = False
        self._fault = ""
        self._refusal = b""
        self._go_on()

    def take(self) -> bytes:
        """What goes to the server."""
        first, self._first = self._first, b""
        return first + self._tls.take()

    def take_upload(self) -> bytes:
        """The next of it, once the server has the line. Raises CodecError."""
        if self._upload is None or not self._is_secure:
            return b""
        try:
            self._tls.write(self._upload.take())
        except TLSError as error:
            raise CodecError(f"broke off: {error}") from None
        return self._tls.take()

    def feed(self, data: bytes) -> bytes:
        """What is new of the answer. Raises CodecError."""
        self._records.feed(data)
        for _ in range(_MOST_RECORDS):
            if self._is_secure:
                return self._receive()
            record = self._records.take()
            if not record:
                break
            self._tls.feed(record)
            self._go_on()
        self.has_more = self._records.has_record
        return b""

    def _go_on(self) -> None:
        """With the handshake, and then with the request. Raises CodecError."""
        try:
            is_done = self._tls.handshake()
            self._judge(is_done=is_done)
            if is_done:
                self._tls.write(self._line)
        except TLSError as error:
            raise CodecError(f"and gemd can't agree on TLS: {error}") from None
        self._is_secure = is_done

    def _judge(self, *, is_done: bool) -> None:
        """As soon as the server's certificate is there. Raises CodecError."""
        if self._is_judged:
            return
        chain = self._tls.chain
        if chain:
            try:
                self._check(chain)
            except Distrusted as error:
                raise CodecError(str(error)) from None
            self._is_judged = True
        elif is_done:
            raise CodecError("has no certificate")

    def _receive(self) -> bytes:
        """What some records of what was fed have. What comes before a fault is given before that is told."""
        if self._fault:
            raise CodecError(self._fault)
        pieces: list[bytes] = []
        is_closed = False
        try:
            is_closed = self._decrypt(pieces)
            self._fault = "sends records of TLS without an answer" if self._others > _MOST_OTHERS else ""
        except TLSError as error:
            self._fault = f"broke off: {error}"
        if self._fault and not pieces:
            raise CodecError(self._fault)
        output = self._follow(b"".join(pieces))
        self.is_complete |= is_closed
        self.has_more = bool(self._fault) or (not is_closed and self._records.has_record)
        return output

    def _decrypt(self, pieces: list[bytes]) -> bool:
        """Add what the next records have; whether one of them has said that nothing more comes. Raises TLSError."""
        for _ in range(_MOST_RECORDS):
            record = self._records.take()
            if not record:
                break
            self._tls.feed(record)
            piece = self._tls.receive()  # all that one record has
            if piece:
                pieces.append(piece)
                self._others = max(0, self._others - 1)  # one between it and the next
            elif piece is None:
                self._others += 1
            else:
                return True
        return False

    def _follow(self, output: bytes) -> bytes:
        """The same up to the end of a header that has no body."""
        if self._has_header or not output:
            return output
        before = len(self._header)
        self._header += output
        end = self._header.find(b"\n") + 1
        if not end:
            return output
        self._has_header, self.is_complete = True, not self._header.startswith(b"2")
        if self._header.startswith(_NOT_SERVED):
            self._refusal = self._header[:end].rstrip()
        self._header = b""
        return output[: end - before] if self.is_complete else output

    def end(self) -> None:
        """The server has closed. Raises CodecError unless it has said before that nothing more comes."""
        if not self.is_complete:
            raise CodecError("closed without close_notify" if self._is_secure else "closed in the handshake")

    def complaints(self) -> bytes:
        """That it serves no such host (53): the client gets that, though only who has configured this can mend it."""
        return self._refusal and self._refusal + _HINT
