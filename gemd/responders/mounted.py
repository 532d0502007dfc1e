"""Locations that are mounted in a directory: a listing has them besides what is there.

Rules: what answers there counts, and not what a root above has by the same name, which nobody can reach; a client sees
those alone that it may enter; what is gone, has moved or has a fixed answer is not mounted, nor is what only has other
rules for the files of the root above.
"""

import os
from collections.abc import Mapping, Sequence

from gemd.config.host_settings import GATEWAY_KINDS, AnswerKind, Location
from gemd.protocol.errors import GeminiError
from gemd.protocol.peer import Peer
from gemd.responders.listing import DirectoryEntry
from gemd.responders.location_finder import build_finder
from gemd.responders.location_rules import Rule
from gemd.responders.viewer import judged

_PROGRAMS = frozenset({AnswerKind.SCRIPT, AnswerKind.APP}) | GATEWAY_KINDS


class Mounts:
    """The locations of all hosts, by the names of the host, each with who may see it."""

    def __init__(self, rules: Mapping[str, Sequence[Rule]]) -> None:
        self._find = {
            host: build_finder([(location.place, location) for location, _ in entries])
            for host, entries in rules.items()
        }
        self._inside: dict[tuple[str, tuple[str, ...]], list[Rule]] = {}
        for host, entries in rules.items():
            for rule in entries:
                names = rule[0].names
                if names and rule[0].match != "glob" and _is_mounted(rule[0]):
                    self._inside.setdefault((host, names[:-1]), []).append(rule)

    def are_together(self, host: str, *paths: tuple[str, ...]) -> bool:
        """Whether one location decides about all paths of these names."""
        first, *others = (self._find[host](names) for names in paths)
        return all(other is first for other in others)

    def find(self, names: tuple[str, ...], location: Location, peer: Peer) -> dict[str, DirectoryEntry | None]:
        """Those directly in the directory of the location's host whose URL has these names, by their own; None for one
        of which the client sees nothing."""
        inside = self._inside.get((location.host, names), ())
        return {other.names[-1]: _enter(location, rule, peer) for rule in inside if _is_there(other := rule[0])}


def _is_mounted(location: Location) -> bool:
    if not location.full_answers:
        return location.root is not None and location.mount == location.names
    return _has_program(location)


def _has_program(location: Location) -> bool:
    """Whether one answers for all of it."""
    return bool(location.full_answers) and location.full_answers[0] in _PROGRAMS


def _is_there(location: Location) -> bool:
    return _has_program(location) or os.path.isdir(str(location.root))


def _enter(above: Location, rule: Rule, peer: Peer) -> DirectoryEntry | None:
    """A mounted location as an entry of the listing of the one above, if the client may enter it."""
    location, check = rule
    name = location.names[-1]
    if "gemini" not in location.schemes or not (above.allows_name(name) and location.allows_name(name)):
        return None
    if check is not None:
        try:
            judged(lambda: check(peer))
        except GeminiError:
            return None
    is_directory = not _has_program(location) or location.path.endswith("/")
    return DirectoryEntry(name, is_directory, None, 0.0)
