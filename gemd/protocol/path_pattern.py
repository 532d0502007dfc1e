"""Patterns that the paths of URLs are matched with, and the addresses that are made of what was found.

Rules: a name in braces stands for one segment, or for a part of it, and with "..." for all that follows, so that
matching takes time by the length of the path alone; what was found is encoded again, so that it can become no other
host, no other scheme and no header.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from gemd.protocol.reference import add_query, check_target
from gemd.protocol.url import Url, encode_segment, split_path

Found = Mapping[str, tuple[str, ...]]  # the names that each name in braces stands for

_TOKEN = re.compile(r"(\{\{)|(\}\})|\{([^{}]*)\}|([^{}]+)|(.)", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w-]*")
_REST = "..."
_DOTS = frozenset({".", ".."})
_FIXED = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?{}]+(?=[/?]|\Z)|/(?!/)")  # what no name may stand in
_HOLE = re.compile(r"\{([^{}]*)\}")
_ANY = "x"  # in the place of a name: no digit of an octet that is encoded


class PathPattern:
    """A pattern such as "/old/{year}/{rest...}": `names` are those in braces, and `rest` is that of what follows.
    Slashes are those of a path: several are one, and one at the end means nothing."""

    def __init__(self, text: str) -> None:
        """Raises ValueError, whose text says what to change."""
        if not text.startswith("/"):
            raise ValueError("expected a path that begins with a slash")
        parts = [_parse_segment(part) for part in split_path(text)]
        self.rest: str | None = None
        if parts and parts[-1].is_rest:
            self.rest = parts.pop().name
        self.segments = tuple(parts)
        names = [name for name in (*(part.name for part in parts), self.rest) if name]
        for part in parts:
            if part.is_rest:
                raise ValueError(f"nothing may follow {{{part.name}{_REST}}}, which stands for all that follows")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{_show(name)} is there twice: give each its own name, or write {{}} for one")
        self.names = tuple(names)

    def find(self, url: Url) -> Found | None:
        """What each name stands for in a URL; None for a path that the pattern does not match."""
        depth, names = len(self.segments), url.rule_names
        if len(names) < depth or (self.rest is None and len(names) > depth):
            return None
        found: dict[str, tuple[str, ...]] = {}
        for segment, name in zip(self.segments, names, strict=False):
            value = segment.find(name)
            if value is None:
                return None
            if segment.name:
                found[segment.name] = (value,)
        if self.rest:
            found[self.rest] = url.names_below(depth)
        return found

    def may_match_below(self, names: Iterable[str]) -> bool:
        """Whether there are paths at or below the one of these names that it matches."""
        names = tuple(names)
        if len(names) > len(self.segments) and self.rest is None:
            return False
        return all(part.find(name) is not None for part, name in zip(self.segments, names, strict=False))

    def is_below(self, names: Sequence[str]) -> bool:
        """Whether all that it matches is at or below the path of these names."""
        fixed = [each.before for each in self.segments[: len(names)] if each.name is None]
        return fixed == list(names)

    def list_samples(self) -> list[tuple[str, ...]]:
        """Names of paths that it matches, with each name for what it stands for."""
        holes = ["" if each.name is None else each.name or "any" for each in self.segments]
        names = tuple(each.before + hole + each.after for each, hole in zip(self.segments, holes, strict=True))
        return [names] if self.rest is None else [names, (*names, self.rest or "any")]


class _Segment(msgspec.Struct, frozen=True):
    """One of a pattern: fixed text, or fixed text around what a name stands for; None for no name, "" for one that
    nobody needs."""

    before: str
    name: str | None = None
    after: str = ""
    is_rest: bool = False

    def find(self, text: str) -> str | None:
        """What its name stands for, "" where it has none; None where it does not match."""
        if self.name is None:
            return "" if text == self.before else None
        value = text[len(self.before) : len(text) - len(self.after)]
        if not value or value in _DOTS or not (text.startswith(self.before) and text.endswith(self.after)):
            return None
        return value


def _parse_segment(text: str) -> _Segment:
    fixed = [""]
    names: list[str] = []
    for is_open, is_close, name, literal, _ in (match.groups() for match in _TOKEN.finditer(text)):
        if is_open or is_close:
            fixed[-1] += "{" if is_open else "}"
        elif literal is not None:
            fixed[-1] += literal
        elif name is not None:
            names.append(name)
            fixed.append("")
        else:
            raise ValueError("a brace is for a name, as in {name}; one that is meant itself is written twice")
    if not names:
        if fixed[0] in _DOTS:
            raise ValueError("dot segments never match: they are resolved before")
        return _Segment(fixed[0])
    if len(names) > 1:
        raise ValueError(f"only one name may stand in a segment, and there are {len(names)} in {text}")
    name, is_rest = names[0].removesuffix(_REST), names[0].endswith(_REST)
    if name and not _NAME.fullmatch(name):
        raise ValueError(f"{_show(names[0])} is no name: expected letters, digits, _ and -, as in {{name}}")
    if is_rest and fixed != ["", ""]:
        raise ValueError(f"{_show(names[0])} stands for whole segments: put a slash before it and nothing behind it")
    return _Segment(fixed[0], name, fixed[1], is_rest)


class PathTemplate:
    """An address with names of a pattern in braces, such as "/new/{year}/{rest}", in its path or query."""

    def __init__(self, text: str, pattern: PathPattern) -> None:
        """Raises ValueError, whose text says what to change."""
        self._pieces = _HOLE.split(text)  # text and names in turn
        if not _FIXED.match(text):
            raise ValueError("expected a path that begins with one slash, or a URL with a host; names stand behind")
        sample = _HOLE.sub(_ANY, text)
        try:
            check_target(sample)
        except ValueError as error:
            hint = "; a brace that is meant itself is %7B or %7D" if "{" in sample or "}" in sample else ""
            raise ValueError(f"{error}{hint}") from None
        named = self._pieces[1::2]
        for name in named:
            if name not in pattern.names:
                raise ValueError(f"{_show(name)} is no name in match" + _list_names(pattern))
        for name in pattern.names:
            if name not in named:
                unnamed = _show(_REST if name == pattern.rest else "")
                raise ValueError(f"{_show(name)} of match is not used: put it in, or write {unnamed} there")
        self._has_query = any("?" in piece for piece in self._pieces[::2])
        self._rest = pattern.rest
        path = text.partition("?")[0]
        hole = _show(self._rest)
        if self._rest and path.count(hole) > len(re.findall(rf"/{re.escape(hole)}(?=/|\Z)", path)):
            raise ValueError(f"{hole} stands for whole segments: put it between slashes")

    def fill(self, found: Found, url: Url) -> str:
        """The address for a URL in which the names stand for what was found there. Its query is kept, and a slash at
        its end with what follows, unless the target has a query."""
        text, is_query, is_swallowed = "", False, False
        for i, piece in enumerate(self._pieces):
            if i % 2 == 0:
                text += piece.lstrip("/") if is_swallowed else piece
                is_query = is_query or "?" in piece
                continue
            values = found[piece]
            if is_query:
                text += quote("/".join(values).encode("utf-8", "surrogateescape"), safe="")
                continue
            text += "/".join(map(encode_segment, values))
            is_swallowed = not values  # so that no two slashes are left
            ends = i + 2 == len(self._pieces) and not self._pieces[i + 1]
            if piece == self._rest and values and url.is_directory and (ends or self._pieces[i + 1].startswith("?")):
                text += "/"
        return text if self._has_query else add_query(text, url.query)


def _show(name: str | None) -> str:
    return f"{{{name}}}"


def _list_names(pattern: PathPattern) -> str:
    names = ", ".join(map(_show, pattern.names))
    return f", which has {names}" if names else ", which has none"
