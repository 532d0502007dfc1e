"""Where each key of a configuration stands that is made of several files, or of variables of the environment too.

Rule: the path of a key is that in the whole, where the hosts of all files are numbered through; people are told the one
in its file.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gemd.config.tables import Problem, key_path

_HOST = re.compile(r"host\[[0-9]+\]")
_ENTRY = re.compile(r"[.\[][^.\[]*$")  # the last part of a path


class Origin(msgspec.Struct, frozen=True):
    """A key's file, its line there, and its path there; or the variable that sets it, which has neither."""

    source: str
    line: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Origins:
    """Where the keys stand. Nothing is known of them where all are in one file."""

    def __init__(self, base: Path) -> None:
        """Relative paths are taken from `base` where they are not in a file that is included."""
        self._base = base
        self._origins: dict[str, Origin] = {}
        self.files: list[str] = []  # that are included

    def record(self, path: str, value: object, origin: Origin, lines: dict[str, int]) -> None:
        """A key that is in no other file, and all within it, where the file's keys are on these `lines`."""
        self._origins[path] = origin
        for part, inner in _parts_of(value):
            own = key_path(origin.path, part)
            line = lines.get(own, origin.line)
            self.record(key_path(path, part), inner, Origin(origin.source, line, own), lines)

    def replace(self, path: str, variable: str | None) -> None:
        """A variable sets this key, or a flag does (None)."""
        for known in [known for known in self._origins if known == path or known.startswith((f"{path}.", f"{path}["))]:
            del self._origins[known]
        if variable is not None:
            self._origins[path] = Origin(variable)

    def find(self, path: str) -> tuple[str, Origin] | None:
        """Where a key stands, or what it is in, with the path of that."""
        while path and path not in self._origins:
            shorter = _ENTRY.sub("", path)
            path = shorter if shorter != path else ""
        return (path, self._origins[path]) if path else None

    def base_of(self, path: str) -> Path:
        """The directory from which a relative path is taken that is the value of this key."""
        file = self._find_file(path)
        return Path(file).parent if file is not None else self._base

    def name(self, path: str) -> str:
        """The path for people, with the file where that is an included one."""
        file, found = self._find_file(path), self.find(path)
        return path if file is None or found is None else f"{file}: {found[1].path}"

    def describe(self, path: str) -> str:
        """The path for people, with its file and line where they are known."""
        found = self.find(path)
        return path if found is None or not found[1].line else f"{found[1]}: {found[1].path}"

    def place_of(self, path: str) -> str:
        """The file of a key that is known, and its line."""
        return str(self._origins[path])

    def place(self, problem: Problem) -> Problem:
        """The problem with its file and line, or its variable, where they are known."""
        path = self._number_through(problem.path)
        found = self.find(path)
        if found is None or problem.source is not None:
            return problem
        whole, origin = found
        if not origin.line:
            return Problem(path, problem.text, str(origin))
        return Problem(origin.path + path.removeprefix(whole), problem.text, str(origin))

    def _find_file(self, path: str) -> str | None:
        """The included file that a key is in."""
        found = self.find(path)
        return found[1].source if found is not None and found[1].source in self.files else None

    def _number_through(self, name: str) -> str:
        """The path in the whole of what `name` names."""
        for path, origin in self._origins.items():
            if origin.path and name.startswith(f"{origin.source}: {origin.path}") and _HOST.fullmatch(origin.path):
                rest = name.removeprefix(f"{origin.source}: {origin.path}")
                return path + rest
        return name


def _parts_of(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((i, entry) for i, entry in enumerate(value, 1) if isinstance(entry, dict))
