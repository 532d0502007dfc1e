"""Reads the file of a configuration, and those that it includes, into one set of tables.

Rules: what is included includes nothing; tables are merged, lists of hosts and listeners appended, and any other key is
in one file alone; nothing that is no regular file is waited for.
"""

import codecs
import contextlib
import errno
import os
import stat
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from gemd.config.origin import Origin
from gemd.config.origins import Origins
from gemd.config.tables import Problem, key_path

INCLUDE = "include"
Trying = Callable[[str], AbstractContextManager[None]]  # what is to be said if nothing comes of it

_APPENDED = ("host", "listen")
_WILDCARDS = frozenset("*?[")
_UTF16 = "is UTF-16 text: save it as UTF-8"


class ConfigError(Exception):
    """The configuration can't be used. `problems` has every reason, and `origins` knows where their keys stand; without
    these all of it is in the file `source`."""

    def __init__(self, problems: list[Problem], source: str | None = None, origins: Origins | None = None) -> None:
        self.problems = problems
        self.source = source
        self.origins = origins
        super().__init__()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def findings(self) -> list[tuple[Origin, str]]:
        """Where each of the problems is, in the order of the lines of each file, and what to change."""
        found = [(self._find_origin(problem), problem.text) for problem in self.problems]
        files = [] if self.origins is None else [self.origins.main, *self.origins.files]
        files = list(dict.fromkeys([*files, *(origin.source for origin, _ in found)]))
        return sorted(found, key=lambda each: (files.index(each[0].source), each[0].line))

    def lines(self) -> list[str]:
        """One line a problem, each with the name of the file."""
        return [origin.say(text) for origin, text in self.findings()]

    def _find_origin(self, problem: Problem) -> Origin:
        if self.origins is not None:
            return self.origins.origin_of(problem)
        return Origin(problem.path, source=problem.source or self.source or "", line=problem.line)


@contextlib.contextmanager
def _try(_: str) -> Iterator[None]:
    yield


def read_file(path: Path) -> dict[str, object]:
    """The file's own tables, unchecked. Raises ConfigError when it can't be read or is not TOML."""
    return _parse(_read_text(path, path.read_bytes), path)[0]


def read_sources(path: Path, trying: Trying = _try) -> tuple[dict[str, object], Origins]:
    """The tables of the file and of all that it includes, unchecked, and where the keys stand, with what is wrong that
    leaves all others to be checked: what is said twice.

    Whatever may wait for a disk is done inside `trying`. Raises ConfigError for what can't be read, or is not TOML.
    """
    with trying(f"the configuration {path} could not be read"):
        text = _read_text(path, path.read_bytes)
    tables, text, problems = _parse(text, path)
    base = path.absolute().parent
    merged = _Merged(Origins(base, tables, main=str(path), text=text), tables)
    merged.origins.problems += problems
    patterns = tables.get(INCLUDE)
    if not isinstance(patterns, list) or not patterns or not all(map(_is_path, patterns)):
        return tables, merged.origins  # a value of another kind is for the check of all keys
    known = {_identify(path)}
    for i, pattern in enumerate(patterns, 1):
        try:
            found = _find(base, pattern, trying)
        except OSError as error:
            merged.unread.append(Problem(key_path(INCLUDE, i), f"{pattern} can't be read: {error.strerror}"))
            continue
        for file in found:
            with trying(f"the configuration {file} could not be read"):
                _include(file, merged, known, key_path(INCLUDE, i))
    if merged.unread:
        raise ConfigError(merged.origins.problems + merged.unread, str(path), merged.origins)
    return merged.tables, merged.origins


def _is_path(pattern: object) -> bool:
    return isinstance(pattern, str) and bool(pattern) and "\0" not in pattern


def _identify(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino


def _find(base: Path, pattern: str, trying: Trying) -> Sequence[Path]:
    """The files that a pattern names, by their names in order. Raises OSError."""
    directory, name = os.path.split(base / pattern)
    if not _WILDCARDS & set(pattern):
        return [base / pattern]
    if _WILDCARDS & set(os.path.dirname(pattern)):
        raise OSError(errno.EINVAL, "wildcards are for the name alone, not for a directory")
    from fnmatch import fnmatchcase

    with trying(f"the directory {directory} could not be read"):
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return []
    return [
        Path(directory, found)
        for found in names
        if fnmatchcase(found, name) and (name.startswith(".") or not found.startswith("."))
    ]


def _include(file: Path, merged: "_Merged", known: set[tuple[int, int]], where: str) -> None:
    identity = _identify(file)
    if identity in known and identity != (-1, -1):
        return  # it is the file itself, or was named twice
    known.add(identity)
    text = None
    try:
        text = _read_text(file, lambda: _read_regular(file))
    except ConfigError as error:
        merged.unread += [one if one.line else Problem(where, f"{file} {one.text}") for one in error.problems]
        return
    try:
        tables, text, problems = _parse(text, file)
    except ConfigError as error:
        is_there = text is not None
        merged.unread += (each if is_there or each.line else _ask(each, where) for each in error.problems)
        return
    merged.origins.problems += problems
    merged.add(file, text, tables)


def _ask(problem: Problem, where: str) -> Problem:
    """The same of a file, at the key that asks for it."""
    return Problem(where, f"{problem.source} {problem.text}")


def _read_regular(path: Path) -> bytes:
    """All of a file that may be anything. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _read_text(path: Path, read: Callable[[], bytes]) -> str:
    """The text, without the mark that some editors begin UTF-8 with. Raises ConfigError."""
    try:
        content = read()
    except IsADirectoryError:
        raise ConfigError([Problem("", "is a directory: name the file in it", str(path))]) from None
    except PermissionError as error:
        text = f"can't be read: {error.strerror}; start gemd as root, or as who may read it"
        raise ConfigError([Problem("", text, str(path))]) from None
    except OSError as error:
        raise ConfigError([Problem("", f"can't be read: {error.strerror}", str(path))]) from None
    except ValueError:
        raise ConfigError([Problem("", "can't be read: no file has a NUL in its name", str(path))]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        what = _UTF16 if is_utf16 else "is not UTF-8 text: save it as UTF-8"
        raise ConfigError([Problem("", what, str(path), 1 if is_utf16 else line)]) from None
    if "\0" in text:
        what = _UTF16 if content.count(b"\0") > len(content) // 4 else "has a NUL, which no text has: remove it"
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigError([Problem("", what, str(path), line)])
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parse(text: str, path: Path) -> tuple[dict[str, object], str, list[Problem]]:
    """The tables, the text that they are of, and what is said twice. Raises ConfigError where it is not TOML."""
    try:
        return tomllib.loads(text), text, []
    except (ValueError, RecursionError):
        from gemd.config.toml_text import parse_text  # for mistakes alone

        parsed = parse_text(text)
    problems = [msgspec.structs.replace(problem, source=str(path)) for problem in parsed.problems]
    if parsed.tables is None:
        raise ConfigError(problems)
    return parsed.tables, parsed.text, problems


class _Merged:
    """What has been read so far, as one; `unread` is what could not be."""

    def __init__(self, origins: Origins, tables: dict[str, object]) -> None:
        self.origins = origins
        self.tables = tables
        self.unread: list[Problem] = []

    def add(self, file: Path, text: str, tables: dict[str, object]) -> None:
        """Another file, whose keys go to the others."""
        self.origins.add_file(str(file), text)
        if tables.pop(INCLUDE, None) is not None:
            text = f"is for {self.origins.main} alone, which names all the files"
            line = self.origins.find_line(str(file), INCLUDE)
            self.origins.problems.append(Problem(INCLUDE, text, str(file), line))
        self._merge(self.tables, tables, "", str(file))

    def _merge(self, whole: dict[str, object], tables: dict[str, object], path: str, file: str) -> None:
        for key, value in tables.items():
            where = key_path(path, key)
            present = whole.get(key)
            if key not in whole:
                whole[key] = value
                self.origins.record(where, file, where)
            elif not path and key in _APPENDED and isinstance(present, list) and isinstance(value, list):
                for i, entry in enumerate(value, 1):
                    present.append(entry)
                    self.origins.record(key_path(where, len(present)), file, key_path(where, i))
            elif isinstance(present, dict) and isinstance(value, dict):
                self._merge(present, value, where, file)
            else:
                place = self.origins.line_of(where)
                is_list = not path and key in _APPENDED and isinstance(present, list)
                text = f"is a list in {place}, and has to be one here" if is_list else f"is set in {place} already"
                text += f", each entry under [[{where}]]" if is_list else ": leave it in one file"
                line = self.origins.find_line(file, where)
                self.origins.problems.append(Problem(where, text, file, line))
