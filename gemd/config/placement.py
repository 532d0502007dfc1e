"""Where the locations of a host are to each other: which one decides about a path, and which are above which.

Rules: of the locations that a path is in that one decides whose path has the most names, of those one without wildcards
before one with some, and of several with some the one that leaves least to them; one that is exact is for its own path
alone, and goes before all others. What can't be told before a path is known has to be said in the configuration.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from gemd.config.script_places import has_wildcard, match_name
from gemd.protocol.url import split_path

T = TypeVar("T")

Match = Literal["prefix", "exact", "glob"]
Names = tuple[str, ...]


class Placement(msgspec.Struct, frozen=True):
    """The names of a location's path, and how they are compared with those of a URL."""

    names: Names
    match: Match = "prefix"

    @property
    def is_glob(self) -> bool:
        """Whether its names have wildcards."""
        return self.match == "glob"

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Of two that a path is in that one decides whose rank is higher, but for those that are exact."""
        kind = ("glob", "prefix", "exact").index(self.match)
        literal = [name for name in self.names if not (self.is_glob and has_wildcard(name))]
        characters = sum(len(name.replace("*", "").replace("?", "")) for name in self.names)
        return len(self.names), kind, len(literal), characters

    def has(self, names: Names) -> bool:
        """Whether the path of these names is in it."""
        here, depth = self.names, len(self.names)
        if self.match == "exact":
            return names == here
        if self.match == "prefix":
            return names[:depth] == here
        return len(names) >= depth and all(map(match_name, here, names))

    def is_above(self, other: "Placement") -> bool:
        """Whether all that is in the other one would be in this one without it."""
        if not (self.is_glob or other.is_glob):
            depth = len(self.names)
            return other.names[:depth] == self.names and self._may_precede(other)
        pairs = zip(self.names, other.names, strict=False)
        return self._may_precede(other) and all(self._covers(*pair, other) for pair in pairs)

    def may_be_above(self, other: "Placement") -> bool:
        """Whether some of what is in the other one, and not all, would be in this one without it."""
        if not (other.is_glob and self._may_precede(other)) or self.is_above(other):
            return False
        return all(self._meets(*pair, other) for pair in zip(self.names, other.names, strict=False))

    def _may_precede(self, other: "Placement") -> bool:
        if self.match == "exact" or self == other or len(self.names) > len(other.names):
            return False
        return len(self.names) < len(other.names) or (self.is_glob and other.is_glob) or self.rank < other.rank

    def _covers(self, name: str, below: str, other: "Placement") -> bool:
        if not (self.is_glob and has_wildcard(name)):
            return name == below and not (other.is_glob and has_wildcard(below))
        if not (other.is_glob and has_wildcard(below)):
            return match_name(name, below)
        # A star has to take what stands for anything in the other one.
        return name == below or ("?" not in name and match_name(name, below))

    def _meets(self, name: str, below: str, other: "Placement") -> bool:
        """Whether there are names that both match, as far as that can be told."""
        if not (self.is_glob and has_wildcard(name)):
            return match_name(below, name) if other.is_glob else name == below
        if not (other.is_glob and has_wildcard(below)):
            return match_name(name, below)
        (begin, end), (begins, ends) = _split_fixed(name), _split_fixed(below)
        return begin.startswith(begins[: len(begin)]) and end.endswith(ends[-len(end) :] if end else "")


def _split_fixed(name: str) -> tuple[str, str]:
    """What a name with wildcards begins and ends with."""
    marked = name.replace("?", "*")
    return marked[: marked.index("*")], marked[marked.rindex("*") + 1 :]


def place_of(values: Mapping[str, object]) -> Placement:
    """That of the location with these values."""
    match = values.get("match", "prefix")
    return Placement(split_path(str(values.get("path", "/"))), match)  # type: ignore[arg-type]


def list_above(place: Placement, others: Sequence[tuple[Placement, T]]) -> list[T]:
    """Those above it, the nearest one last."""
    above = [entry for entry in others if entry[0].is_above(place)]
    return [value for _, value in sorted(above, key=lambda entry: entry[0].rank)]
