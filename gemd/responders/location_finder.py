"""Which location of a host a path is in.

Rule: where all are prefixes, as a rule, nothing else is looked at.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from gemd.config.placement import Names, Placement

T = TypeVar("T")


def build_finder(entries: Sequence[tuple[Placement, T]]) -> Callable[[Names], T]:
    """What finds the entry for the names of a path. One of them has the path "/", and is for all that no other has."""
    others = [entry for entry in entries if entry[0].match != "prefix"]
    prefixes = [(place.names, value) for place, value in entries if place.match == "prefix"]
    if not others:
        return _find_longest(sorted(prefixes, key=lambda entry: -len(entry[0])))
    exact = {place.names: value for place, value in entries if place.match == "exact"}
    rest = [entry for entry in entries if entry[0].match != "exact"]
    return _find_nearest(exact, sorted(rest, key=lambda entry: entry[0].rank, reverse=True))


def _find_longest(entries: Sequence[tuple[Names, T]]) -> Callable[[Names], T]:
    def find(names: Names) -> T:
        for prefix, value in entries:
            if names[: len(prefix)] == prefix:
                return value
        raise LookupError(names)

    return find


def _find_nearest(exact: dict[Names, T], entries: Sequence[tuple[Placement, T]]) -> Callable[[Names], T]:
    def find(names: Names) -> T:
        found = exact.get(names)
        return found if found is not None else next(value for place, value in entries if place.has(names))

    return find
