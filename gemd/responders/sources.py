"""Sources of scripts, which are never shown, by whatever name and whichever host.

Rules: directories of scripts, and files that are named, are known by device and inode; what a pattern matches by its
names below the directory where the wildcards begin, which is known so as well. Where all that is executable is a
script, so is all that looks like one.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_places import Pattern, find_depth, fold_name, fold_pattern, split_pattern
from gemd.system.resolved import Identity, Resolved

Identify = Callable[[str], Identity | None]  # what is at a path; raises OSError where it can't be told

_MAX_DEPTH = 64  # of a root in the file system


class KnownSources(msgspec.Struct, frozen=True):
    """What the configured places are at a moment. `above` has for each root, by its path, the directories that lead to
    it from "/", and its names."""

    places: frozenset[Identity] = frozenset()
    patterns: Mapping[Identity, Collection[Pattern]] = {}
    everywhere: frozenset[Identity] = frozenset()
    above: Mapping[str, tuple[Sequence[Identity], Sequence[str]]] = {}

    def have(self, root: str, way: Sequence[Identity], resolved: Resolved) -> bool:
        """Whether what was opened below the root at this path, which this way leads to, is in a place of scripts."""
        if not self.places.isdisjoint(way):
            return True
        if not self.patterns:
            return False
        names: Sequence[str] = resolved.names
        if not resolved.is_outside:
            directories, above = self.above.get(root, ((), ()))
            way, names = (*directories, *way), (*above, *names)
        return any(
            _is_matched(pattern, names[depth:])
            for depth, identity in enumerate(way)
            for pattern in self.patterns.get(identity, ())
        )

    def have_around(self, way: Sequence[Identity]) -> bool:
        """Whether it is where all that is executable is a script."""
        return not self.everywhere.isdisjoint(way)


class Sources:
    """Those of all locations."""

    def __init__(self, locations: Iterable[Location]) -> None:
        places: set[str] = set()
        patterns: defaultdict[str, set[Pattern]] = defaultdict(set)
        everywhere: set[str] = set()
        for location in locations:
            if location.script is not None:
                places.add(location.script)
            if AnswerKind.CGI in location.answers:
                root = str(location.root)
                for pattern in location.script_places.patterns:
                    beginning, rest = split_pattern(pattern)
                    path = "/".join((root, *beginning))
                    if rest:
                        patterns[path].add(rest)
                    else:
                        places.add(path)
                if location.script_places.is_everywhere:
                    everywhere.add(root)
        self._places = sorted(places)
        self._patterns = {path: sorted(found) for path, found in sorted(patterns.items())}
        self._everywhere = sorted(everywhere)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._places or self._patterns or self._everywhere)

    def look(self, roots: Mapping[str, Identity | None], identify: Identify) -> KnownSources:
        """What the places are now; the roots were looked at. Raises OSError where it can't be told."""
        places = _find_all(self._places, identify)
        everywhere = _find_all(self._everywhere, identify)
        patterns: defaultdict[Identity, set[Pattern]] = defaultdict(set)
        for path, ends in self._patterns.items():
            identity = identify(path)
            if identity is not None:
                patterns[identity] |= set(ends)
        if places or everywhere:
            for path, root in roots.items():
                if root is not None:
                    inside = find_above(path, identify)
                    places |= {root} if not places.isdisjoint(inside) else set()
                    everywhere |= {root} if not everywhere.isdisjoint(inside) else set()
        above = {path: trace_path(path, identify) for path in roots} if patterns else {}
        return KnownSources(frozenset(places), patterns, frozenset(everywhere), above)


def _find_all(paths: Iterable[str], identify: Identify) -> set[Identity]:
    return {found for path in paths if (found := identify(path)) is not None}


def find_above(path: str, identify: Identify) -> list[Identity]:
    """The directories that the one at this path is in, by `..`."""
    found: list[Identity] = []
    for _ in range(_MAX_DEPTH):
        path += "/.."
        here = identify(path)
        if here is None or here in found[-1:]:
            break
        found.append(here)
    return found


def trace_path(path: str, identify: Identify) -> tuple[Sequence[Identity], Sequence[str]]:
    """The directories that lead to this one, without it, and the names, none a link; nothing where that can't be."""
    names = [name for name in os.path.realpath(path).split("/") if name]
    directories = [identify("/" + "/".join(names[:depth])) for depth in range(len(names))]
    found = [each for each in directories if each is not None]
    return (found, names) if len(found) == len(directories) else ((), ())


def _is_matched(pattern: Pattern, names: Sequence[str]) -> bool:
    """Whether these names lead to what the pattern matches, or what a file system may take for that."""
    if find_depth(pattern, names) is not None:
        return True
    return find_depth(fold_pattern(pattern), [fold_name(name) for name in names]) is not None
