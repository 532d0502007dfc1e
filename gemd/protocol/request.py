"""The request line: an absolute URL of at most 1024 bytes, then CRLF (specification 0.24.1, "Requests").

Rules: only CR followed by LF ends it; what comes after it has no meaning but for an upload; the reader never holds more
than one line and what came along with its end, and waits for no end of one that can't be a URL any more.
"""

import msgspec

from gemd.protocol.errors import BadRequest
from gemd.protocol.peer import Peer
from gemd.protocol.upload import Upload
from gemd.protocol.url import Url, check_octets, parse_url

MAX_URL = 1024
MAX_LINE = MAX_URL + 2


class Request(msgspec.Struct, frozen=True):
    """What was asked, and by whom; `upload` is what a Titan URL announces, once it is known to be taken here."""

    url: Url
    peer: Peer
    upload: Upload | None = None


class RequestReader:
    """Collects the bytes of one request line."""

    __slots__ = ("_buffer", "_peer")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._buffer = b""

    @property
    def line(self) -> str:
        """What came so far of the line, at most 1024 bytes, with octets that are not UTF-8 as escapes: for the log."""
        return self._buffer.partition(b"\r\n")[0][:MAX_URL].decode("utf-8", "backslashreplace")

    @property
    def rest(self) -> bytes:
        """What came behind the line: of an upload, the beginning of its body."""
        return self._buffer.partition(b"\r\n")[2]

    def feed(self, data: bytes) -> Request | None:
        """Take the next bytes. None means that more are needed.

        Raises BadRequest (59) for a line that is too long or not an absolute URL.
        """
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n", 0, MAX_LINE)
        if end < 0:
            if len(buffer) >= MAX_LINE:
                raise BadRequest("The URL is longer than 1024 bytes")
            if b"\n" in buffer:
                raise BadRequest("The request line ends with CR and LF, and here is LF alone")
            check_octets(buffer.removesuffix(b"\r"))  # which may be half of the end
            return None
        return Request(parse_url(buffer[:end]), self._peer)
