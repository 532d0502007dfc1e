"""Where each key of a configuration stands, which may be made of several files, and of variables and flags too.

Rules: the path of a key is that in the whole, where the hosts of all files are numbered through; people are told the
names of host and location, and the line in its file. Lines are looked for only once there is something to tell.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from gemd.config.origin import Origin
from gemd.config.tables import Problem, key_path

_HOST = re.compile(r"host\[([0-9]+)\](?:\.location\[([0-9]+)\])?")
_LAST = re.compile(r"[.\[][^.\[]*$")  # the last part of a path
_LONGEST_NAME = 253


class Origins:
    """Where the keys stand of these tables, which are those of the file `main` unless told otherwise."""

    def __init__(
        self, base: Path, tables: Mapping[str, object] | None = None, *, main: str = "", text: str = ""
    ) -> None:
        """Relative paths are taken from `base` where they are not in a file that is included."""
        self.files: list[str] = []  # that are included
        self.problems: list[Problem] = []  # with which the tables can be used all the same
        self._base = base
        self._tables = tables if tables is not None else {}
        self.main = main
        self._texts = {main: text}
        self._lines: dict[str, dict[str, int]] = {}
        self._moved: dict[str, tuple[str, str]] = {}  # the file of a key that is in another one, and its path there
        self._set: dict[str, str] = {}  # the variable or flag of a key that is in no file

    def add_file(self, file: str, text: str) -> None:
        """Another one is included."""
        self.files.append(file)
        self._texts[file] = text

    def record(self, path: str, file: str, own: str) -> None:
        """A key, with all within it, is that of the path `own` in a file that is included."""
        self._moved[path] = file, own

    def replace(self, path: str, source: str) -> None:
        """A variable sets this key, or a flag does."""
        for known in [known for known in self._set if known.startswith((f"{path}.", f"{path}["))]:
            del self._set[known]
        self._set[path] = source

    def base_of(self, path: str) -> Path:
        """The directory from which a relative path is taken that is the value of this key."""
        file, _ = self._find(path)
        return Path(file).parent if file in self.files else self._base

    def describe(self, path: str, other: str) -> str:
        """A host in a sentence about another one: "the host in line 3", or in "gemd.conf:3" from another file."""
        origin = self.locate(path)
        if not origin.line:
            return path
        is_near = origin.source == self.locate(other).source
        return f"the host in line {origin.line}" if is_near else f"the host in {origin.source}:{origin.line}"

    def line_of(self, path: str) -> str:
        """The file of a key, and its line."""
        file, own = self._find(path)
        return f"{file}:{self.find_line(file, own)}"

    def origin_of(self, problem: Problem) -> Origin:
        """Where a problem is."""
        found = self.locate(problem.path)
        if problem.source is None and not problem.line:
            return found
        return Origin(found.key, found.host, found.location, problem.source or found.source, problem.line)

    def locate(self, path: str) -> Origin:
        """Where the key of this path stands."""
        file, own = self._find(path)
        line = self.find_line(file, own) if file in self._texts else 0
        host, location, key = self._name(path, own or path)
        return Origin(key, host, location, file, line)

    def find_line(self, file: str, path: str) -> int:
        """The line of a key of this file, by its path there, or of what it is in; 0 where it is in nothing."""
        if file not in self._lines:
            from gemd.config.toml_lines import find_lines

            self._lines[file] = find_lines(self._texts[file])
        lines = self._lines[file]
        while path:
            if line := lines.get(path) or lines.get(key_path(path, 1)):
                return line
            path = _shorten(path)
        return 0

    def _find(self, path: str) -> tuple[str, str]:
        """The file of a key, and its path there; or its variable or flag."""
        whole = path
        while path:
            if path in self._set:
                return self._set[path], ""
            if path in self._moved:
                file, own = self._moved[path]
                return file, own + whole.removeprefix(path)
            path = _shorten(path)
        return self.main, whole

    def _name(self, path: str, own: str) -> tuple[str, str, str]:
        """The names of a key's host and location, as far as they have some, and its path within these; else all of its
        `own` path in its file."""
        match = _HOST.match(path)
        host = _find_entry(self._tables, "host", match[1]) if match is not None else None
        name = host.get("name") if host is not None else None
        if match is None or host is None or not _is_name(name):
            return "", "", own
        location = _find_entry(host, "location", match[2]) if match[2] else None
        below = location.get("path") if location is not None else None
        rest = path[match.end() :].removeprefix(".")
        if _is_name(below) and str(below).startswith("/"):
            return str(name), str(below), rest
        return str(name), "", path.removeprefix(f"host[{match[1]}]").removeprefix(".")


def find_origin(problem: Problem, origins: Origins | None) -> Origin:
    """Where a problem is, as far as that is known; one that is about no key is nowhere."""
    return origins.origin_of(problem) if origins is not None and problem.path else Origin(problem.path)


def _shorten(path: str) -> str:
    """The path of what this one is in."""
    shorter = _LAST.sub("", path)
    return shorter if shorter != path else ""


def _find_entry(tables: Mapping[str, object], key: str, number: str) -> Mapping[str, object] | None:
    entries = tables.get(key)
    if not isinstance(entries, list) or not 1 <= int(number) <= len(entries):
        return None
    entry = entries[int(number) - 1]
    return entry if isinstance(entry, dict) else None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME
