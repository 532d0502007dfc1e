"""HTTP/1.1, as a worker asks a server by it: one GET on a connection of its own (RFC 9110 and 9112, by h11).

Rules: an answer is whole only where its length, its chunks or the end of the connection say so; what a status of HTTP
has no counterpart for is a failure. Whoever imports this pays for h11.
"""

from collections.abc import Callable, Sequence

import h11

from gemd import __version__
from gemd.protocol.content_coding import CodingError, Unpacker, parse_codings
from gemd.protocol.http_answer import clean_reference, name_status, translate_status, translate_type, translate_wait
from gemd.protocol.response import MAX_META, encode_header
from gemd.protocol.status import Status, has_body, is_redirect
from gemd.responders.cgi.header import quote
from gemd.responders.gateway.codec import CodecError

_MAX_HEAD = 16 * 1024  # bytes of all headers, interim answers included
_MAX_INTERIM = 16  # answers of 1xx
_MAX_EVENTS = 256  # pieces of a body that are looked at in one go
_MAX_OUTPUT = 256 * 1024  # bytes that are unpacked in one go
_MAX_SHOWN = 120  # characters of what h11 says, which may quote all of a header
_FIELDS = (
    ("User-Agent", f"gemd/{__version__}"),
    ("Accept", "text/gemini, */*;q=0.5"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
)
TranslateRedirect = Callable[[str], str]  # raises ValueError


class HTTPCodec:
    """Asks `host` for `target`, with more `fields`; `translate` makes a redirect's URL one for the client."""

    def __init__(self, target: str, host: str, fields: Sequence[tuple[str, str]], translate: TranslateRedirect) -> None:
        self.is_complete = False
        self.has_more = False
        self._translate = translate
        self._connection = h11.Connection(h11.CLIENT, _MAX_HEAD)
        headers = [("Host", host), *_FIELDS, *fields]
        self._request = self._connection.send(h11.Request(method="GET", target=target, headers=headers)) or b""
        self._request += self._connection.send(h11.EndOfMessage()) or b""
        self._received = 0  # bytes, until the header is there
        self._interim = 0
        self._has_header = False
        self._unpacker: Unpacker | None = None

    def take(self) -> bytes:
        """All of the request, once."""
        request, self._request = self._request, b""
        return request

    def feed(self, data: bytes) -> bytes:
        """What is new of the answer. Raises CodecError."""
        if data:
            self._connection.receive_data(data)
            self._received += len(data)
        output = bytearray()
        for _ in range(_MAX_EVENTS):
            if self._unpacker is not None and self._unpacker.has_more:
                output += self._unpack(b"", _MAX_OUTPUT - len(output))
            else:
                event = self._next_event()
                self.has_more = event is not h11.NEED_DATA
                if not self.has_more:
                    break
                output += self._take_event(event, _MAX_OUTPUT - len(output))
            self.has_more = not self.is_complete
            if self.is_complete or (self._unpacker is not None and len(output) >= _MAX_OUTPUT):
                break
        return bytes(output)

    def _next_event(self) -> object:
        try:
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise CodecError(f"does not speak HTTP as it should: {str(error)[:_MAX_SHOWN]}") from None

    def _take_event(self, event: object, most: int) -> bytes:
        """What is new by one event."""
        match event:
            case h11.InformationalResponse():
                self._interim += 1
                self._check_head()
                return b""
            case h11.Response():
                self._has_header = True
                self._check_head()
                self._check_framing(event)
                return self._begin(event)
            case h11.Data():
                return self._unpack(event.data, most) if self._unpacker is not None else event.data
            case _:
                self._finish()
                return b""

    # The header

    def _check_head(self) -> None:
        size = self._received - len(self._connection.trailing_data[0])
        if size > _MAX_HEAD:
            raise CodecError(f"sent a header of more than {_MAX_HEAD} bytes")
        if self._interim > _MAX_INTERIM:
            raise CodecError(f"sent more than {_MAX_INTERIM} interim answers (1xx)")

    def _check_framing(self, response: h11.Response) -> None:
        """Refuse what is understood in more than one way (RFC 9112, 6.1 and 6.3)."""
        names = {name for name, _ in response.headers}
        if not response.http_version.startswith(b"1."):
            raise CodecError("does not speak HTTP/1.1")
        if b"transfer-encoding" in names and (b"content-length" in names or response.http_version == b"1.0"):
            raise CodecError("says in two ways how long its answer is")

    def _begin(self, response: h11.Response) -> bytes:
        """The header of the answer."""
        code = response.status_code
        status = translate_status(code, Status.PROXY_ERROR)
        if status == Status.PROXY_ERROR:
            raise CodecError(f"answered with {code}")
        self.is_complete = not has_body(status)  # what follows is a page for people with a browser
        return encode_header(status, self._find_meta(response, status))

    def _find_meta(self, response: h11.Response, status: int) -> str:
        if has_body(status):
            field = "Content-Encoding"
            try:
                coding = parse_codings(", ".join(_values(response, field)))
                self._unpacker = Unpacker(coding) if coding else None
                field = "Content-Type"
                return translate_type(_value(response, field))
            except ValueError as error:
                raise CodecError(f"has a {field} that {error}") from None
        if is_redirect(status):
            try:
                meta = self._translate(clean_reference(_value(response, "Location").encode("latin-1")))
                if len(meta) > MAX_META:
                    raise ValueError(f"is longer than {MAX_META} bytes")
            except ValueError as error:
                raise CodecError(f"answered with {response.status_code} and a Location that {error}") from None
            return meta
        if status == Status.SLOW_DOWN:
            return translate_wait(", ".join(_values(response, "Retry-After")))
        return name_status(response.status_code)

    # The body

    def _unpack(self, data: bytes, most: int) -> bytes:
        assert self._unpacker is not None
        try:
            return self._unpacker.feed(data, most)
        except CodingError as error:
            raise CodecError(f"sent a body that {error}") from None

    def _finish(self) -> None:
        if self._unpacker is not None:
            try:
                self._unpacker.finish()
            except CodingError as error:
                raise CodecError(f"sent a body that {error}") from None
        self.is_complete = True

    def end(self) -> None:
        """The server has closed its side. Raises CodecError unless its answer is whole by that."""
        if not self._has_header:
            came = self._connection.trailing_data[0]
            raise CodecError(f"closed before its header ended{f': {quote(came)}' if came else ''}")
        self._connection.receive_data(b"")
        try:
            event = self._connection.next_event()
        except h11.RemoteProtocolError:
            event = h11.ConnectionClosed()
        if not isinstance(event, h11.EndOfMessage):
            raise CodecError("closed before its answer ended")
        self._finish()

    def complaints(self) -> bytes:
        """HTTP has no place for them."""
        return b""


def _values(response: h11.Response, name: str) -> list[str]:
    key = name.lower().encode()
    return [value.decode("latin-1") for field, value in response.headers if field == key]


def _value(response: h11.Response, name: str) -> str:
    """The value of a field that stands once, "" where it is missing. Raises ValueError."""
    values = set(_values(response, name))
    if len(values) > 1:
        raise ValueError("is there twice")
    return values.pop() if values else ""
