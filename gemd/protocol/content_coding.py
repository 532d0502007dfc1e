"""Bodies of HTTP that come compressed, though nobody has asked for that: gzip and deflate (RFC 9110, 8.4.1).

Rules: what is unpacked at a time is bounded, however small it was packed; one compressed stream is one body.
"""

import zlib

_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP = 16 + zlib.MAX_WBITS  # as zlib wants it said
_RAW = -zlib.MAX_WBITS
_ENOUGH_TO_TELL = 2  # bytes, what deflate is
_DEFLATED = 8  # the method, in the first four bits of a zlib header


class CodingError(ValueError):
    """A body that can't be unpacked, or not whole; the text says why."""


def parse_codings(content_encoding: str) -> str:
    """The one coding of a body, "" where there is none. Raises CodingError for one that is not known, or several."""
    codings = [text.strip().lower() for text in content_encoding.split(",")]
    named = [coding for coding in codings if coding not in ("", "identity")]
    if not named:
        return ""
    if len(named) > 1 or named[0] not in _CODINGS:
        raise CodingError("is neither gzip nor deflate")
    return named[0]


class Unpacker:
    """A body in one of the codings. `has_more` is whether `feed` held something back: it goes on with b""."""

    def __init__(self, coding: str) -> None:
        self.has_more = False
        self._stream = zlib.decompressobj(_GZIP) if coding != "deflate" else None  # until it can be told which one
        self._packed = b""  # and not looked at yet

    def feed(self, data: bytes, most: int) -> bytes:
        """What is new of the body, at most so many bytes. Raises CodingError."""
        packed = self._packed + data
        if self._stream is None:
            if len(packed) < _ENOUGH_TO_TELL:
                self._packed = packed
                return b""
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(packed) else _RAW)
        if not self._stream.eof:
            try:
                output = self._stream.decompress(packed, most)
            except zlib.error:
                raise CodingError("sent a body that can't be unpacked") from None
            packed = self._stream.unused_data or self._stream.unconsumed_tail
        else:
            output = b""
        if self._stream.eof and packed:
            raise CodingError("sent a body that goes on behind the end of what is compressed")
        self._packed = packed
        self.has_more = len(output) == most and not self._stream.eof
        return output

    def finish(self) -> None:
        """Nothing more comes. Raises CodingError where the body is not whole by that."""
        if self._stream is None or not self._stream.eof:
            raise CodingError("sent a body that ends in the middle of what is compressed")


def _has_zlib_header(packed: bytes) -> bool:
    """Whether it begins as RFC 1950 has it, and as the standard wants it; some servers send it without."""
    return packed[0] & 0x0F == _DEFLATED and int.from_bytes(packed[:2], "big") % 31 == 0
