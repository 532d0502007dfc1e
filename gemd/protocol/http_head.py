"""Where the header of an answer by HTTP ends, and those of interim answers before it (RFC 9112, 2.1).

Rule: a header is cut out, bounded and looked over before a parser has it, which may go over its blanks again and again:
40,000 of them before a NUL were 5 seconds.
"""

import re

MAX_HEAD = 16 * 1024  # bytes of all headers, interim answers included

_END = re.compile(rb"(?:\A|\n)\r?\n")
_CONTROL = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f]")  # as TLS has one first
_BLANKS = re.compile(rb"[ \t]{100}")
_SHOWN = 40  # bytes of what is no header
_FOLDED = re.compile(rb"\n[ \t]")  # of which a parser makes one line, with a blank for each of them


class HeadError(ValueError):
    """It is none, or one that is refused; the text says why."""


class HeadReader:
    """`rest` is what has come and is no header, or not all of one."""

    def __init__(self) -> None:
        self.rest = b""
        self._taken = 0  # bytes of headers
        self._looked_at = 0  # bytes of the rest

    def feed(self, data: bytes) -> None:
        """What has come."""
        self.rest += data

    def take(self) -> bytes | None:
        """The next header with the empty line at its end; None where that has not come yet. Raises HeadError."""
        match = _END.search(self.rest, max(0, self._looked_at - 2))
        size = len(self.rest) if match is None else match.end()
        if self._taken + size > MAX_HEAD:
            raise HeadError(f"sent a header of more than {MAX_HEAD} bytes")
        if match is None:
            if _CONTROL.match(self.rest):
                raise HeadError(f"does not speak HTTP as it should: {self.rest[:_SHOWN]!r}")
            self._looked_at = size
            return None
        head, self.rest = self.rest[:size], self.rest[size:]
        self._taken += size
        self._looked_at = 0
        if _BLANKS.search(head):
            raise HeadError("sent a header with a hundred blanks in a row")
        if _FOLDED.search(head):  # a gateway may (RFC 9112, 5.2)
            raise HeadError("sent a header with a field that goes on in another line")
        return head
