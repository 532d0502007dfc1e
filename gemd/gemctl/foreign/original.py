"""The original: the text of a file that another server understands, and what is wrong in it.

Rule: a mistake is told by file and line, and by words that say what was expected.
"""

import os
import re
import socket
import stat
import sys
from pathlib import Path

import msgspec

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.terminal import escape

STDIN = "-"
_MOST = 1 << 20  # bytes that a configuration may have
_NUMBER = re.compile(r"[0-9]{1,9}")


class Spot(msgspec.Struct, frozen=True):
    """Where something stands: the file as it was named, and the line, from 1; 0 where there is none."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        name = escape(self.file)
        return f"{name}:{self.line}" if self.line else name

    @property
    def short(self) -> str:
        """The same without the file's directories."""
        return str(Spot(Path(self.file).name, self.line))


def mistake(place: Spot, text: str) -> Failure:
    """What ends the command where the original can't be understood."""
    return Failure(f"{place}: {escape(text)}", code=ExitCode.CONFIGURATION)


def parse_number(text: str) -> int:
    """A number of digits. Raises ValueError for what is none, and for one that is larger than any that counts."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("expected a number of at most 9 digits")
    return int(text)


def find_port(place: Spot, text: str) -> int:
    """A port by its number, or by a name that this machine has for it. Raises Failure."""
    try:
        port = parse_number(text)
    except ValueError:
        try:
            port = socket.getservbyname(text, "tcp")
        except (OSError, ValueError):
            raise mistake(place, f"no service is called {text} here: write its number") from None
    if not 0 < port < 65536:
        raise mistake(place, f"expected a port up to 65535, not {text}")
    return port


def _open_at_once(path: str, flags: int) -> int:
    """A pipe that nobody writes to is at its end, and nobody is waited for."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read_original(path: str, *, is_included: bool = False) -> str:
    """The text of a file, or of standard input; of a regular file alone if another one has named it. Raises Failure."""
    place = Spot("standard input" if path == STDIN else path)
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(_MOST + 1)
        else:
            with open(path, "rb", opener=_open_at_once) as file:
                if is_included and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Failure(f"{place}: can't be read: it is no regular file")
                os.set_blocking(file.fileno(), True)
                content = file.read(_MOST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name has a NUL"
        raise Failure(f"{place}: can't be read: {reason}") from None
    if len(content) > _MOST:
        raise Failure(f"{place}: has more than {_MOST} bytes, which no configuration has")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise mistake(Spot(place.file, line), "is not UTF-8: convert the file first, as with iconv") from None
    if "\0" in text:
        raise mistake(Spot(place.file, text.count("\n", 0, text.index("\0")) + 1), "has a NUL: this is no text")
    return text
