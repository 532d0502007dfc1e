"""HTTP/1.1, as a worker asks a server by it: one GET on a connection of its own (RFC 9110 and 9112; headers by h11).

Rules: an answer is whole only where its length, its chunks or the end of the connection say so; what a status of HTTP
has no counterpart for is a failure. Whoever imports this pays for h11.
"""

from collections.abc import Callable, Sequence

import h11

from gemd import __version__
from gemd.protocol.content_coding import CodingError, Unpacker, parse_codings
from gemd.protocol.http_answer import clean_reference, name_status, translate_status, translate_type, translate_wait
from gemd.protocol.http_body import FramingError, HTTPBody, find_body
from gemd.protocol.http_head import HeadError, HeadReader
from gemd.protocol.response import MAX_META, encode_header
from gemd.protocol.status import Status, has_body, is_redirect
from gemd.responders.cgi.header import quote
from gemd.responders.gateway.codec import BadAnswer, CodecError

_MAX_INTERIM = 16  # answers of 1xx
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
        self._connection = h11.Connection(h11.CLIENT)
        headers = [("Host", host), *_FIELDS, *fields]
        self._request = self._connection.send(h11.Request(method="GET", target=target, headers=headers)) or b""
        self._request += self._connection.send(h11.EndOfMessage()) or b""
        self._heads = HeadReader()
        self._interim = 0
        self._body: HTTPBody | None = None  # once the header is there
        self._unpacker: Unpacker | None = None

    def take(self) -> bytes:
        """All of the request, once."""
        request, self._request = self._request, b""
        return request

    def take_upload(self) -> bytes:
        """None is passed on by HTTP."""
        return b""

    def feed(self, data: bytes) -> bytes:
        """What is new of the answer. Raises CodecError."""
        try:
            if self._body is not None:
                return self._go_on(self._body, data)
            self._heads.feed(data)
            header = self._read_heads()
            if self._body is None or self.is_complete:
                return header
            return header + self._go_on(self._body, self._heads.rest)
        except (HeadError, FramingError, CodingError) as error:
            raise CodecError(str(error)) from None

    # The header

    def _read_heads(self) -> bytes:
        """The header of the answer; b"" where it has not come yet. Raises HeadError and CodecError."""
        while (head := self._heads.take()) is not None:
            self._connection.receive_data(head)
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise CodecError(f"does not speak HTTP as it should: {str(error)[:_MAX_SHOWN]}") from None
            if isinstance(event, h11.Response):
                self._check_framing(event)
                self._body = find_body(event.status_code, event.headers)
                return self._begin(event)
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise CodecError(f"sent more than {_MAX_INTERIM} interim answers (1xx)")
        return b""

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
            raise BadAnswer(f"answered with {code}")
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
                raise BadAnswer(f"has a {field} that {error}") from None
        if is_redirect(status):
            try:
                meta = self._translate(clean_reference(_value(response, "Location").encode("latin-1")))
                if len(meta) > MAX_META:
                    raise ValueError(f"is longer than {MAX_META} bytes")
            except ValueError as error:
                raise BadAnswer(f"answered with {response.status_code} and a Location that {error}") from None
            return meta
        if status == Status.SLOW_DOWN:
            return translate_wait(", ".join(_values(response, "Retry-After")))
        return name_status(response.status_code)

    # The body

    def _go_on(self, body: HTTPBody, data: bytes) -> bytes:
        """What is new of the body. Raises FramingError and CodingError."""
        unpacker = self._unpacker
        output = body.feed(data) if unpacker is None or not unpacker.has_more else b""
        if unpacker is not None:
            output = unpacker.feed(output, _MAX_OUTPUT)
        is_held_back = unpacker is not None and unpacker.has_more
        if body.is_complete and not is_held_back:
            self._finish()
        self.has_more = not self.is_complete and (is_held_back or body.has_more)
        return output

    def _finish(self) -> None:
        """Nothing more comes. Raises CodingError."""
        if self._unpacker is not None:
            self._unpacker.finish()
        self.is_complete = True

    def end(self) -> None:
        """The server has closed its side. Raises CodecError unless its answer is whole by that."""
        if self._body is None:
            came = self._heads.rest
            raise CodecError(f"closed before its header ended{f': {quote(came)}' if came else ''}")
        try:
            self._body.end()
            self._finish()
        except (FramingError, CodingError) as error:
            raise CodecError(str(error)) from None

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
