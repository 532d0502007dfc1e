"""Where the body of an answer by HTTP ends (RFC 9112, 6.3 and 7.1): by a length, by chunks, or with the connection.

Rules: what can be read in more than one way is refused; what one call does is bounded, however small the chunks are.
"""

import re
from collections.abc import Iterable
from typing import Protocol

_MAX_CHUNKS = 256  # that are looked at in one go
_MAX_LINE = 4096  # bytes of one that a chunk begins with, extensions included
_MAX_TRAILER = 16 * 1024  # bytes
_SHOWN = 40  # bytes of what is wrong
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LINE_END = b"\r\n"
_NO_BODY = (204, 304)  # whatever their fields say


class FramingError(ValueError):
    """It is not whole, or not what it says; the text says in what way."""


class HTTPBody(Protocol):
    """One body as it is sent. `has_more` is whether `feed` held something back: it goes on with b""."""

    is_complete: bool
    has_more: bool

    def feed(self, data: bytes) -> bytes:
        """What is new of the body. Raises FramingError."""

    def end(self) -> None:
        """The connection is closed. Raises FramingError unless the body is whole by that."""


def find_body(status: int, fields: Iterable[tuple[bytes, bytes]]) -> HTTPBody:
    """What the fields of an answer, their names in lower case, say of its body; they were checked before."""
    values = dict(fields)
    if status in _NO_BODY:
        return SizedBody(0)
    if b"transfer-encoding" in values:
        return ChunkedBody()
    length = values.get(b"content-length")
    return OpenBody() if length is None else SizedBody(int(length))


class SizedBody:
    """One of so many bytes."""

    def __init__(self, size: int) -> None:
        self.is_complete = not size
        self.has_more = False
        self._left = size

    def feed(self, data: bytes) -> bytes:
        """What belongs to the body."""
        piece = data[: self._left]
        self._left -= len(piece)
        self.is_complete = not self._left
        return piece

    def end(self) -> None:
        """Raises FramingError unless all was there."""
        if not self.is_complete:
            raise FramingError("closed before its answer ended")


class OpenBody:
    """One that ends with the connection."""

    def __init__(self) -> None:
        self.is_complete = False
        self.has_more = False

    def feed(self, data: bytes) -> bytes:
        """All belongs to it."""
        return data

    def end(self) -> None:
        """It is whole by that."""
        self.is_complete = True


class ChunkedBody:
    """One in chunks. Their extensions, and the fields behind them, mean nothing here."""

    def __init__(self) -> None:
        self.is_complete = False
        self.has_more = False
        self._rest = b""
        self._left = 0  # bytes of a chunk, with the end of line behind it
        self._is_behind = False  # all chunks
        self._behind = 0  # bytes of fields

    def feed(self, data: bytes) -> bytes:
        """What is new of the body. Raises FramingError."""
        received, at = self._rest + data, 0
        pieces: list[bytes] = []
        is_cut, chunks = False, 0
        while not is_cut and not self._is_behind and chunks < _MAX_CHUNKS:
            at, is_cut = self._go_on(received, at, pieces)
            chunks += 1
        if self._is_behind:
            at = self._skip_fields(received, at)
        self.has_more = not is_cut and not self._is_behind
        self._rest = received[at:]
        return b"".join(pieces)

    def _go_on(self, received: bytes, at: int, pieces: list[bytes]) -> tuple[int, bool]:
        """To the first byte of the next chunk: where it is, or where to go on when more has come."""
        if self._left > len(_LINE_END):
            piece = received[at : at + self._left - len(_LINE_END)]
            pieces.append(piece)
            at += len(piece)
            self._left -= len(piece)
        if self._left:
            end = received[at : at + self._left] if self._left <= len(_LINE_END) else b""
            if not _LINE_END.startswith(end):
                raise FramingError(f"sent a chunk that is longer than it says: {end!r} follows")
            if len(end) < self._left:
                return at, True
            at += self._left
            self._left = 0
        match = _SIZE.match(received, at, at + _MAX_LINE)
        if match is None:
            line = received[at : at + _MAX_LINE]
            if b"\n" in line or len(line) == _MAX_LINE:
                raise FramingError(f"sent a chunk that has no size: {line[:_SHOWN]!r}")
            return at, True
        size = int(match[1], 16)
        self._is_behind = not size
        self._left = size + len(_LINE_END) if size else 0
        return match.end(), False

    def _skip_fields(self, received: bytes, at: int) -> int:
        """To the end of them, as far as that has come."""
        while not self.is_complete and (end := received.find(_LINE_END, at)) >= 0:
            self.is_complete = end == at
            self._behind += end + len(_LINE_END) - at
            at = end + len(_LINE_END)
        if self._behind + (0 if self.is_complete else len(received) - at) > _MAX_TRAILER:
            raise FramingError(f"sent more than {_MAX_TRAILER} bytes of fields behind its body")
        return at

    def end(self) -> None:
        """Raises FramingError unless all was there."""
        if not self.is_complete:
            raise FramingError("closed before its answer ended")
