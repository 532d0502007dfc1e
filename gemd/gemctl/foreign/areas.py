"""The locations that have what a regular expression matches.

Rule: none is smaller than that, for it protects something.
"""

import itertools
import re
from collections.abc import Iterator

import msgspec

from gemd.gemctl.foreign.expressions import Expression, Hole, join_parts
from gemd.protocol.url import split_path

_MOST_DOTS = 3  # of which each may be a slash


class Area(msgspec.Struct, frozen=True):
    """A location that has all that an expression matches; `is_wider` if it has much more than that, `is_same` if it has
    no more, but for slashes at the end."""

    path: str
    match: str
    is_wider: bool = False
    is_same: bool = False


def find_areas(expression: Expression) -> tuple[Area, ...]:
    """The smallest ones that can be told: several where a dot may be a slash, too."""
    parts = expression.parts
    dots = [number for number, part in enumerate(parts) if isinstance(part, Hole) and part.is_one]
    if len(dots) > _MOST_DOTS:
        above = expression.beginning.rpartition("/")[0] + "/" if expression.is_begun else "/"
        return (Area(above, "prefix", is_wider=True),)
    found = []
    for signs in itertools.product(("", "/"), repeat=len(dots)):
        slashes = {number for number, sign in zip(dots, signs, strict=True) if sign}
        found.append(
            _find_area(join_parts("/" if number in slashes else part for number, part in enumerate(parts)), expression)
        )
    return tuple(dict.fromkeys(found))


def _find_area(parts: list[str | Hole], whole: Expression) -> Area:
    """The same for an expression of these parts, whose dots are no slashes."""
    beginning = parts[0] if parts and isinstance(parts[0], str) else ""
    if not whole.is_begun or not beginning.startswith("/"):
        return Area("/", "prefix", is_wider=True)
    is_same = not any(isinstance(part, Hole) for part in parts)
    is_ended = whole.is_ended
    if isinstance(parts[-1], Hole) and parts[-1].is_any:
        parts, is_ended = parts[:-1], False
    written = "".join(_write_wildcards(parts))
    has_wildcards = any(isinstance(part, Hole) for part in parts)
    plain = "".join(part for part in parts if isinstance(part, str))
    if any(isinstance(part, Hole) and part.is_any for part in parts) or re.search(r"[*?]", plain):
        return Area(beginning.rpartition("/")[0] + "/", "prefix", is_wider=True)
    if not is_ended and not written.endswith("/"):
        return Area(written.rstrip("*") + "*", "glob", is_same=is_same)
    if has_wildcards:
        return Area(written, "glob", is_wider=is_ended)
    return Area(written, "exact" if is_ended and split_path(written) else "prefix", is_same=is_same)


def find_fixed_path(text: str) -> str:
    """The directory that is above all that an expression matches, even one that can't be parsed here."""
    begun = re.match(r"\^(/(?:[\w/-]*/)?)(?![*+?{])", text)
    depth, is_choice = 0, False
    for piece in re.findall(r"\\.|\[[^\]]*\]|.", text, re.DOTALL):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        is_choice = is_choice or (piece == "|" and not depth)
    return begun[1] if begun and not is_choice else "/"


def _write_wildcards(parts: list[str | Hole]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield "?" if part.is_one else "*"
