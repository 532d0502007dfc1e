"""Text from elsewhere, made fit for a terminal.

Rule: nothing that came over a socket can move the cursor, end a line or turn text around.
"""

import codecs
import io
import re
import sys

# C0 and C1, line and paragraph separators, what turns text around, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str, *, keep: str = "") -> str:
    """`text` with such characters as escapes: xhh or uhhhh after a backslash; those in `keep` stay."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in keep else _escape_one(match[0]), text)


def _escape_one(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def complain(*lines: str) -> None:
    """Print lines on standard error, each after the name of the command."""
    for line in lines:
        print(f"gemctl: {line}", file=sys.stderr, flush=True)


class BodyWriter:
    """Writes a body to standard output: its very bytes, or on a terminal its text without what could harm one."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True) if sys.stdout.isatty() else None

    def write(self, chunk: bytes) -> None:
        """Write the next bytes."""
        if self._decoder is not None:
            sys.stdout.write(escape(self._decoder.decode(chunk), keep="\n\t"))
        else:
            sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
