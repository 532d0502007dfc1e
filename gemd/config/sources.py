"""Reads the file of a configuration, and those that it includes, into one set of tables.

Rules: what is included includes nothing; tables are merged, lists of hosts and listeners appended, and any other key is
in one file alone; nothing that is no regular file is waited for.
"""

import contextlib
import errno
import os
import stat
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from gemd.config.origins import Origin, Origins
from gemd.config.tables import Problem, key_path

INCLUDE = "include"
Trying = Callable[[str], AbstractContextManager[None]]  # what is to be said if nothing comes of it

_APPENDED = ("host", "listen")
_WILDCARDS = frozenset("*?[")
_TWO_FORMS = "; it has its value in brackets above, and can't go on under a heading: put all of it in one form"


class ConfigError(Exception):
    """The configuration can't be used. `problems` has every reason."""

    def __init__(self, problems: list[Problem], source: str | None = None) -> None:
        self.problems = problems
        self.source = source
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """One line a problem, each with the name of the file. The path of a key begins with that of an included file
        where nobody knows its line."""
        return [
            str(problem)
            if problem.source or not self.source or problem.path.startswith("/")
            else f"{self.source}: {problem}"
            for problem in self.problems
        ]


@contextlib.contextmanager
def _try(_: str) -> Iterator[None]:
    yield


def read_file(path: Path) -> dict[str, object]:
    """The file's own tables, unchecked. Raises ConfigError when it can't be read or is not TOML."""
    return _parse(_read_text(path, path.read_bytes), path)


def read_sources(path: Path, trying: Trying = _try) -> tuple[dict[str, object], Origins]:
    """The tables of the file and of all that it includes, unchecked, and where the keys stand.

    Whatever may wait for a disk is done inside `trying`. Raises ConfigError for what can't be read, is not TOML, or is
    said in two files.
    """
    with trying(f"the configuration {path} could not be read"):
        text = _read_text(path, path.read_bytes)
    tables = _parse(text, path)
    base = path.absolute().parent
    patterns = tables.get(INCLUDE)
    if not isinstance(patterns, list) or not patterns or not all(map(_is_path, patterns)):
        return tables, Origins(base)  # a value of another kind is for the check of all keys
    merged = _Merged(path, text, tables)
    known = {_identify(path)}
    for i, pattern in enumerate(patterns, 1):
        try:
            found = _find(base, pattern, trying)
        except OSError as error:
            merged.problems.append(Problem(key_path(INCLUDE, i), f"{pattern} can't be read: {error.strerror}"))
            continue
        for file in found:
            with trying(f"the configuration {file} could not be read"):
                _include(file, merged, known)
    if merged.problems:
        raise ConfigError([merged.origins.place(problem) for problem in merged.problems], str(path))
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


def _include(file: Path, merged: "_Merged", known: set[tuple[int, int]]) -> None:
    identity = _identify(file)
    if identity in known and identity != (-1, -1):
        return  # it is the file itself, or was named twice
    known.add(identity)
    try:
        text = _read_text(file, lambda: _read_regular(file))
        tables = _parse(text, file)
    except ConfigError as error:
        merged.problems += [Problem("", problem.text, str(file)) for problem in error.problems]
        return
    merged.add(file, text, tables)


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
        return read().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise ConfigError([Problem("", f"can't be read: {error.strerror}")], str(path)) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("", f"is not UTF-8 text (at line {line})")], str(path)) from None


def _parse(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = _TWO_FORMS if "immutable namespace" in str(error) else ""
        raise ConfigError([Problem("", f"is not TOML: {error}{hint}")], str(path)) from None
    except (ValueError, RecursionError):  # which it leaves to its callers
        what = "has a number of too many digits, or brackets that are nested too deeply"
        raise ConfigError([Problem("", what)], str(path)) from None


class _Merged:
    """What has been read so far, as one."""

    def __init__(self, path: Path, text: str, tables: dict[str, object]) -> None:
        self.problems: list[Problem] = []
        self.origins = Origins(path.absolute().parent)
        self.tables: dict[str, object] = {}
        self._main = path
        self.add(path, text, tables)

    def add(self, file: Path, text: str, tables: dict[str, object]) -> None:
        """Another file, whose keys go to the others."""
        from gemd.config.toml_lines import find_lines

        lines = find_lines(text)
        if file != self._main:
            self.origins.files.append(str(file))
            if tables.pop(INCLUDE, None) is not None:
                place = str(Origin(str(file), lines.get(INCLUDE, 0)))
                self.problems.append(Problem(INCLUDE, f"is for {self._main} alone, which names all the files", place))
        self._merge(self.tables, tables, "", str(file), lines)

    def _merge(
        self, whole: dict[str, object], tables: dict[str, object], path: str, file: str, lines: dict[str, int]
    ) -> None:
        for key, value in tables.items():
            where = key_path(path, key)
            origin = Origin(file, lines.get(where) or lines.get(key_path(where, 1), 0), where)
            present = whole.get(key)
            if key not in whole:
                whole[key] = value
                self.origins.record(where, value, origin, lines)
            elif not path and key in _APPENDED and isinstance(present, list) and isinstance(value, list):
                for i, entry in enumerate(value, 1):
                    own = key_path(where, i)
                    present.append(entry)
                    inner = Origin(file, lines.get(own, origin.line), own)
                    self.origins.record(key_path(where, len(present)), entry, inner, lines)
            elif isinstance(present, dict) and isinstance(value, dict):
                self._merge(present, value, where, file, lines)
            else:
                place = self.origins.place_of(where)
                is_list = not path and key in _APPENDED and isinstance(present, list)
                text = f"is a list in {place}, and has to be one here" if is_list else f"is set in {place} already"
                text += f", each entry under [[{where}]]" if is_list else ": leave it in one file"
                self.problems.append(Problem(where, text, str(origin)))
