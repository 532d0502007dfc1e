"""The lines on which the keys of a TOML text stand, which Python's parser does not tell.

Rule: the text has been parsed already, so that only where statements begin and end has to be found.
"""

import re
import tomllib
from collections.abc import Iterator

from gemd.config.tables import key_path

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|\#[^\n]*|\n|[\[\]{}=]|[^\"'\#\n\[\]{}=]+",
    re.DOTALL,
)


def find_lines(text: str) -> dict[str, int]:
    """The line of each key and heading of a valid text, by its path, as `key_path` has it. A key within brackets or
    braces has that of the statement that it is in."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}  # of the entries under headings in double brackets
    table = ""
    for line, head, is_heading in _split_statements(text):
        depth = 2 if head.startswith("[[") else int(is_heading)
        names = _parse_key(head[depth : len(head) - depth])
        path = "" if depth else table
        for i, name in enumerate(names, 1):
            path = key_path(path, name)
            if depth == 2 and i == len(names):
                counts[path] = counts.get(path, 0) + 1
            if path in counts:
                path = key_path(path, counts[path])
            lines.setdefault(path, line)
        if depth:
            table = path
    return lines


def _split_statements(text: str) -> Iterator[tuple[int, str, bool]]:
    """The line of each statement, with its key, or with its heading in brackets."""
    line, begun, head, depth, has_value = 1, 1, "", 0, False
    for match in _PIECE.finditer(text + "\n"):
        piece = match[0]
        if piece == "\n" and not depth:
            if head.strip():
                yield begun, head.strip(), not has_value
            head, has_value = "", False
        elif piece == "=":
            has_value = True
        elif piece in ("[", "]", "{", "}"):
            depth += 1 if piece in "[{" else -1
        if not has_value and piece != "\n" and not piece.startswith("#"):
            begun = begun if head.strip() else line
            head += piece
        line += piece.count("\n")


def _parse_key(text: str) -> list[str]:
    """The parts of a key that may be dotted and quoted."""
    names = []
    value: object = tomllib.loads(f"{text}=0")
    while isinstance(value, dict):
        ((name, value),) = value.items()
        names.append(name)
    return names
