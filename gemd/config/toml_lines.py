"""The lines on which the keys of a TOML text stand, which Python's parser does not tell.

Rule: the text has been parsed already, as far as it is looked at, so that only where statements, keys and entries begin
and end has to be found.
"""

import re
import tomllib
from collections.abc import Iterator

import msgspec

from gemd.config.tables import key_path

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|\#[^\n]*|\n|[\[\]{}=,]|[^\"'\#\n\[\]{}=,]+|.",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ENDS = {"[": "]", "{": "}"}


class Statement(msgspec.Struct, frozen=True):
    """A key with its value, or a heading in `depth` brackets. It is at the characters from `start` to `end`, and begins
    on `line`; `pieces` are those of the value, each with its line."""

    start: int
    end: int
    line: int
    depth: int
    names: tuple[str, ...]
    pieces: tuple[tuple[str, int], ...]


def find_lines(text: str) -> dict[str, int]:
    """The line of each key, heading and entry of a valid text, by its path, as `key_path` has it."""
    lines: dict[str, int] = {}
    for statement, paths in trace_statements(text):
        for path in paths:
            lines.setdefault(path, statement.line)
        for inner, line in _find_inner(statement.pieces, paths[-1]):
            lines.setdefault(inner, line)
    return lines


def trace_statements(text: str) -> Iterator[tuple[Statement, list[str]]]:
    """The statements of a text, each with the paths of its keys or of its heading, its own the last one."""
    counts: dict[str, int] = {}  # of the entries under headings in double brackets
    table = ""
    for statement in split_statements(text):
        path, paths = "" if statement.depth else table, []
        for i, name in enumerate(statement.names, 1):
            path = key_path(path, name)
            if statement.depth == 2 and i == len(statement.names):
                counts[path] = counts.get(path, 0) + 1
            if path in counts:
                path = key_path(path, counts[path])
            paths.append(path)
        if statement.depth:
            table = path
        yield statement, paths


def split_statements(text: str) -> Iterator[Statement]:
    """The statements of a text, up to the first that is none."""
    head: list[str] = []
    pieces: list[tuple[str, int]] = []
    line, begun, start, depth, has_value = 1, 1, 0, 0, False
    for match in _PIECE.finditer(text + "\n"):
        piece = match[0]
        if piece == "\n" and not (depth and has_value):
            if "".join(head).strip():
                statement = _parse("".join(head).strip(), (start, match.start(), begun), pieces)
                if statement is None:
                    return
                yield statement
            head, pieces, has_value, depth = [], [], False, 0
        elif has_value:
            depth += (piece in "[{") - (piece in "]}")
            if piece.strip(" \t\n") and not piece.startswith("#"):
                pieces.append((piece, line))
        elif piece == "=":
            has_value = True
        elif not piece.startswith("#") and (head or piece.strip()):
            if not head:
                begun, start = line, match.start()
            head.append(piece)
        line += piece.count("\n")
    statement = _parse("".join(head).strip(), (start, len(text), begun), pieces)
    if statement is not None:  # one without its end
        yield statement


def _parse(head: str, place: tuple[int, int, int], pieces: list[tuple[str, int]]) -> Statement | None:
    """A statement with this key or heading; None where it is none."""
    depth = (2 if head.startswith("[[") else 1) if head.startswith("[") else 0
    names = _parse_key(head[depth : len(head) - depth])
    return Statement(*place, depth, names, tuple(pieces)) if names else None


def _find_inner(pieces: tuple[tuple[str, int], ...], path: str) -> Iterator[tuple[str, int]]:
    """The paths and lines of what is within brackets and braces of the value of a key."""
    open_: list[tuple[str, str]] = []  # the bracket that ends it, and the path of what is in it
    numbers: list[int] = []  # of the last entry of each
    head, is_value, value = "", True, path
    for piece, line in pieces:
        if open_ and piece in ("]", "}", ","):
            if piece != ",":
                open_.pop()
                numbers.pop()
            head, is_value = "", piece != ","
        elif open_ and open_[-1][0] == "}" and not is_value:
            if piece != "=":
                head += piece
                continue
            value, is_value = open_[-1][1], True
            for name in _parse_key(head.strip()):
                value = key_path(value, name)
                yield value, line
        else:
            if open_ and open_[-1][0] == "]":
                numbers[-1] += 1
                value = key_path(open_[-1][1], numbers[-1])
                yield value, line
            if piece in _ENDS:
                open_.append((_ENDS[piece], value))
                numbers.append(0)
                head, is_value = "", False


def _parse_key(text: str) -> tuple[str, ...]:
    """The parts of a key that may be dotted and quoted; none where it is no key."""
    if _BARE.fullmatch(text):
        return (text,)
    names = []
    try:
        value: object = tomllib.loads(f"{text}=0") if text else {}
    except (ValueError, RecursionError):
        return ()
    while isinstance(value, dict):
        if len(value) != 1:
            return ()
        ((name, value),) = value.items()
        names.append(name)
    return tuple(names)
