"""What a `.meta` file says of the files beside and below it, in the form that Agate gave it: lines `pattern: what`.

Rules: what is behind a `#` is a comment; of several lines that match a path the last one counts; a line that is none
costs itself alone.
"""

import re
from collections.abc import Sequence

import msgspec

from gemd.protocol.characters import fits_header
from gemd.protocol.meta_pattern import check_pattern, is_glob, translate_pattern
from gemd.protocol.mime import append_parameters, is_media_type
from gemd.protocol.reference import clean_meta
from gemd.protocol.response import MAX_META
from gemd.protocol.status import DEFINED, Status, is_redirect

MAX_LINES = 1000
MAX_NAMES = 32  # of a path that wildcards match
MAX_GLOBS = 4096  # characters, of all patterns with wildcards: what a path is held against each time
MAX_PARAMETERS = 512  # bytes: there has to be room for a type before them

_STATUS = re.compile(r"[0-9][0-9](?!\S)")
_SECONDS = re.compile(r"[0-9]{1,9}")


class Preset(msgspec.Struct, frozen=True):
    """What a line says: a status other than 20, with the text behind it; else a media type, or with a semicolon before
    them parameters for the type that is guessed. Nothing at all is that type without a language."""

    status: int
    text: str

    @property
    def is_header(self) -> bool:
        """Whether it is all of an answer."""
        return self.status != Status.SUCCESS

    @property
    def is_type(self) -> bool:
        """Whether it is all of a media type."""
        return not self.is_header and self.text[:1] not in ("", ";")

    def describe(self, guessed: str) -> str:
        """The media type of a file for which this one is guessed."""
        return self.text if self.is_type else append_parameters(guessed, self.text)


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a line, by its number, counted from 1."""

    number: int
    text: str


class Presets:
    """Those of one file, by what their patterns match; those with wildcards have `globs` characters."""

    def __init__(self, lines: Sequence[tuple[str, Preset]] = ()) -> None:
        numbered = [(number, pattern, preset) for number, (pattern, preset) in enumerate(lines)]
        globs = [entry for entry in numbered if is_glob(entry[1])]
        self.globs = sum(len(pattern) for _, pattern, _ in globs)
        globs.reverse()  # the first one that matches is the last one in the file
        self._plain = {pattern: (number, preset) for number, pattern, preset in numbered if not is_glob(pattern)}
        self._globs = [(number, preset) for number, _, preset in globs]
        choices = "|".join(f"({translate_pattern(pattern)})" for _, pattern, _ in globs)
        self._find_glob = re.compile(choices, re.DOTALL).fullmatch if globs else None

    def find(self, path: str) -> Preset | None:
        """What holds for the path, which begins in the file's directory."""
        plain = self._plain.get(path)
        match = self._find_glob(path) if self._find_glob is not None and path.count("/") < MAX_NAMES else None
        if match is None or match.lastindex is None:
            return plain[1] if plain is not None else None
        number, preset = self._globs[match.lastindex - 1]
        return plain[1] if plain is not None and plain[0] > number else preset


def parse_meta(data: bytes) -> tuple[Presets, list[Fault]]:
    """What a file says, and what is wrong with it. Raises ValueError for one that has too much."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(lines) > MAX_LINES + 1:  # the last one is empty
        raise ValueError(f"it has more than {MAX_LINES} lines")
    found: list[tuple[str, Preset]] = []
    faults = []
    globs = 0
    for number, line in enumerate(lines, 1):
        try:
            entry = _parse_line(line.decode())
            if entry is not None:
                globs += len(entry[0]) if is_glob(entry[0]) else 0
                if globs > MAX_GLOBS:
                    raise ValueError(f"its patterns with wildcards have more than {MAX_GLOBS} characters")
                found.append(entry)
        except UnicodeDecodeError:
            faults.append(Fault(number, "not UTF-8"))
        except _LineError as error:
            faults.append(Fault(number, str(error)))
    return Presets(found), faults


class _LineError(Exception):
    """A line that is none; the text says what is wrong."""


def _parse_line(line: str) -> tuple[str, Preset] | None:
    """The pattern and what is said; None for a line that says nothing."""
    line = line.partition("#")[0].replace("\t", " ").strip()
    if not line:
        return None
    pattern, colon, said = map(str.strip, line.partition(":"))
    if not colon:
        raise _LineError("there is no colon: expected 'pattern: ;lang=de', 'pattern: text/plain' or 'pattern: 52 Gone'")
    pattern = pattern.removesuffix("/")
    try:
        check_pattern(pattern)
    except ValueError as error:
        raise _LineError(str(error)) from None
    return pattern, _parse_preset(said)


def _parse_preset(said: str) -> Preset:
    if not fits_header(said):
        raise _LineError("there is a control character")
    if said[:1].isdecimal():
        return _parse_header(said)
    if not said or said.startswith(";"):
        if len(said) > MAX_PARAMETERS or not (said.isascii() and is_media_type("text/plain" + said)):
            raise _LineError(f"expected parameters in ASCII, as in ';lang=de', of at most {MAX_PARAMETERS} bytes")
    elif len(said) > MAX_META or not (said.isascii() and is_media_type(said)):
        raise _LineError("expected a media type, as in text/plain")
    return Preset(Status.SUCCESS, said)


def _parse_header(said: str) -> Preset:
    if not _STATUS.match(said):
        raise _LineError("expected a status of two digits, a blank and a text, as in '52 Gone'")
    status, text = int(said[:2]), said[2:].strip()
    if status not in DEFINED:
        raise _LineError(f"there is no status {status}")
    if status == Status.SUCCESS and not (text.isascii() and is_media_type(text)):
        raise _LineError("expected a media type behind the status 20")
    if status == Status.SLOW_DOWN and not _SECONDS.fullmatch(text):
        raise _LineError("expected the seconds to wait behind the status 44")
    if is_redirect(status) and not text:
        raise _LineError("a redirect has to lead somewhere")  # to the same page it would never end: nothing changes
    try:
        return Preset(status, clean_meta(status, text))
    except ValueError as error:
        raise _LineError(str(error)) from None
