"""The rules of a host's locations for what is found in the file system, by what it is and by what leads to it.

Rules: a location whose path has no wildcards is known by the device and inode of what is there, one with some by the
names that lead on from where they begin, as a file system may have them that folds case; the nearest to what was opened
decides, as it would for a URL; what can't be told for sure is asked as well, and lifts nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from gemd.config.host_settings import Location
from gemd.config.script_places import Pattern, fold_name, fold_pattern, match_name, split_pattern
from gemd.config.script_settings import find_own_keys
from gemd.protocol.url import split_path
from gemd.responders.access import Check
from gemd.responders.sources import trace_path
from gemd.system.resolved import Identity

Rule = tuple[Location, Check | None]  # a location, and who may see it
_Identify = Callable[..., Identity | None]


class Trail(msgspec.Struct, frozen=True):
    """The directories that lead to what was opened, with that, or to a link; `names` lead from the first one on. Before
    it are `directories`, as far as these are known, from "/" on, and by `above` they lead to it."""

    way: Sequence[Identity]
    names: Sequence[str]
    directories: Sequence[Identity] = ()
    above: Sequence[str] = ()

    def enter(self, identity: Identity, name: str) -> "Trail":
        """The trail of an entry of the last directory."""
        return msgspec.structs.replace(self, way=(*self.way, identity), names=(*self.names, name))

    def split(self, depth: int) -> "tuple[Trail, Trail]":
        """To the last directory before this one, and from it on."""
        way, names = self.way, self.names
        before = Trail(way[:depth], names[: max(0, depth - 1)], self.directories, self.above)
        directories, above = (*self.directories, *way[:depth]), (*self.above, *names[:depth])
        return before, Trail(way[depth:], names[depth:], directories, above)


class Nearest(msgspec.Struct, frozen=True):
    """The rules that decide about what was opened, and how far on the way to it they are; and those that may hold for
    it as well."""

    depth: int
    rules: Sequence[Rule] = ()
    doubtful: Sequence[Rule] = ()


class HostRules(msgspec.Struct, frozen=True):
    """Those of one host at a moment. Those in `exact` are for what has the identity alone; those in `globs` for what
    the pattern matches below it, and all that is in that; those that are tried there with a longer name decide where
    their location is asked. `above` has for each root, by its path, the directories that
    lead to it from "/", and its names, where there are globs."""

    prefixes: Mapping[Identity, Sequence[Rule]]
    exact: Mapping[Identity, Sequence[Rule]] = {}
    globs: Mapping[Identity, Sequence[tuple[Pattern, Rule, bool]]] = {}
    above: Mapping[str, tuple[Sequence[Identity], Sequence[str]]] = {}

    def trace(self, way: Sequence[Identity], names: Sequence[str], root: str) -> Trail:
        """The trail from the root at this path, or with "" from "/"."""
        return Trail(way, names, *self.above.get(root, ((), ())))

    def find(self, trail: Trail, asked: Location, *, is_link: bool = False) -> Nearest:
        """Those that are nearest to the end of the trail: to what was opened, or where a link is that leads to it."""
        way = trail.way
        depth = max(0, len(way) - 1)
        while depth and way[depth] not in self.prefixes:
            depth -= 1
        nearest = self.prefixes.get(way[depth], ()) if way else ()
        if not (way and (self.exact or self.globs)):
            return Nearest(depth, nearest)
        best, doubtful = (depth, 1 if nearest else -1, 0, 0), []
        found = [*self._find_exact(trail, asked, is_link), *self._find_globs(trail, asked)]
        for at, rule, is_sure in found:
            rank = (at, *rule[0].place.rank[1:])
            if not is_sure:
                doubtful.append((rank, rule))
            elif rank > best:
                depth, best, nearest = at, rank, (rule,)
        return Nearest(depth, nearest, [rule for rank, rule in doubtful if rank > best])

    def _find_exact(self, trail: Trail, asked: Location, is_link: bool) -> Iterator[tuple[int, Rule, bool]]:
        """The exact ones of what was opened; and of a directory that it is in, where it is the page of that."""
        way, last = trail.way, len(trail.way) - 1
        for rule in self.exact.get(way[last], ()):
            if not is_link or rule[0] is asked:
                yield last, rule, True
        for at in range(0 if is_link else last):
            for rule in self.exact.get(way[at], ()):
                if rule[0] is asked:
                    yield at, rule, True
                elif _has_page(rule[0], trail.names[at:]):
                    yield last, rule, False

    def _find_globs(self, trail: Trail, asked: Location) -> Iterator[tuple[int, Rule, bool]]:
        """Those that match what is on the way; the root may be something that they match itself."""
        offset = len(trail.directories)
        way, names = (*trail.directories, *trail.way), (*trail.above, *trail.names)
        for begin, identity in enumerate(way):
            for pattern, rule, is_tried in self.globs.get(identity, ()):
                end = begin + len(pattern)
                found = names[begin:end]
                if end < offset or len(found) < len(pattern):
                    continue
                if all(map(match_name, pattern, found)):
                    yield end - offset, rule, not is_tried or rule[0] is asked
                elif all(map(match_name, fold_pattern(pattern), map(fold_name, found))):
                    yield end - offset, rule, False

    def find_entry(self, entry: Trail, names: Sequence[str], asked: Location) -> Sequence[Location]:
        """The locations of an entry of a listing, by the names of its URL, or else by what it is and what leads to
        it."""
        last = len(entry.way) - 1
        known = (*self.prefixes.get(entry.way[last], ()), *self.exact.get(entry.way[last], ()))
        own = [location for location, _ in known if location.names == names]
        if own:
            return own
        globs = {id(rule[0]): rule[0] for entries in self.globs.values() for _, rule, _ in entries}
        matched = [each for each in globs.values() if len(names) == len(each.names) and each.place.has(tuple(names))]
        nearest = self.find(entry, asked)
        rules = (*(nearest.rules if nearest.depth == last else ()), *nearest.doubtful)
        return [*sorted(matched, key=lambda each: each.place.rank)[-1:], *(location for location, _ in rules)]


def protect_differently(locations: Iterable[Location]) -> bool:
    """Whether what protects is not the same everywhere."""
    kinds = [
        (
            *(each.access, each.client_certificate, each.listing, each.dot_files, each.symlinks),
            *(each.convert, each.meta_files, each.cgi == (), find_own_keys(each)),
        )
        for each in locations
        if each.root is not None or each.people is not None
    ]
    return any(kind != kinds[0] for kind in kinds)


def look_up_rules(rules: Sequence[Rule], roots: Iterable[str], identify: _Identify) -> HostRules:
    """The rules of locations that have a root, as things are now. Raises OSError where it can't be told."""
    prefixes: defaultdict[Identity, list[Rule]] = defaultdict(list)
    exact: defaultdict[Identity, list[Rule]] = defaultdict(list)
    globs: defaultdict[Identity, list[tuple[Pattern, Rule, bool]]] = defaultdict(list)
    for rule in rules:
        location = rule[0]
        names = location.names[len(location.mount) :]
        begin, rest = split_pattern(names) if location.match == "glob" else (names, ())
        identity = _find_place(location, begin, identify)
        if identity is None:
            continue
        if rest:
            globs[identity].append((rest, rule, False))
            globs[identity].extend(((*rest[:-1], rest[-1] + end), rule, True) for end in location.tried)
        else:
            (exact if location.match == "exact" else prefixes)[identity].append(rule)
    above = {path: trace_path(path, identify) for path in roots} if globs else {}
    return HostRules(prefixes, exact, globs, above)


def _has_page(location: Location, names: Sequence[str]) -> bool:
    """Whether these names lead from the location's directory to a page of it, as a file system may have them."""
    folded = [*map(fold_name, names)]
    return any(folded == [*map(fold_name, split_path(index))] for index in location.index)


def _find_place(location: Location, names: Pattern, identify: _Identify) -> Identity | None:
    """What is found there below the location's root, by its longer names too where there is nothing else."""
    *way, last = str(location.root), *names
    return next(filter(None, (identify(*way, last + end) for end in ("", *location.tried))), None)
