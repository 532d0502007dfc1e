"""Text from elsewhere, made fit for a terminal.

Rule: nothing that came over a socket or stands in a file can move the cursor, end a line or turn text around. A body
keeps its lines, and the joiners that emoji and many scripts are written with.
"""

import codecs
import io
import sys

from gemd.protocol.characters import JOINERS, escape

__all__ = ["BodyWriter", "complain", "escape"]


def complain(*lines: str) -> None:
    """Print lines on standard error, each after the name of the command, escaped if they are not yet."""
    for line in lines:
        print(f"gemctl: {escape(line)}", file=sys.stderr, flush=True)


class BodyWriter:
    """Writes a body to standard output: its very bytes, or on a terminal its text without what could harm one."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True) if sys.stdout.isatty() else None

    def write(self, chunk: bytes) -> None:
        """Write the next bytes."""
        if self._decoder is not None:
            sys.stdout.write(escape(self._decoder.decode(chunk), keep="\n\t" + JOINERS))
        else:
            sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
