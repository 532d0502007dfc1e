"""What no upload may touch, though it lies beneath a location's root: other locations, scripts, applications, and files
that are gemd's alone.

Rules: directories and files are known by device and inode, so that no mount and no spelling leads around this; what is
not there yet is known by the names that lead to it from what is. Before anything is changed they are looked up anew.
"""

import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_places import Pattern, find_depth, fold_name, fold_pattern, split_pattern
from gemd.protocol.errors import GeminiError
from gemd.protocol.status import Status
from gemd.responders.script_looks import has_script_extension
from gemd.responders.uploads.target import UploadTarget
from gemd.system.resolved import Identity, identify, identify_path

_EXECUTABLE = 0o111  # for somebody
_LOOK_INTERVAL = 1.0  # seconds for which a first look is good
_PAUSE = 10  # times as long as it has taken passes before another look for a refusal
_OTHERS = "Another location decides about this path, which can't be changed by way of this one"
_SCRIPTS = "Scripts are run from here, and none can be uploaded"
_OWN = "This file belongs to the server, and can't be changed"


class _Place(msgspec.Struct, frozen=True):
    """A path that is somebody's, or what `pattern` matches below it: a location's, or else there is a `refusal`. With
    `is_everywhere` what is executable is a script, and all else is free; with `is_alone` nothing below the path is
    meant."""

    path: str
    pattern: Pattern = ()
    location: Location | None = None
    refusal: str = ""
    is_everywhere: bool = False
    is_alone: bool = False

    @property
    def kind(self) -> int:
        """Of two locations at the same path, that one decides whose number is higher."""
        return self.location.place.rank[1] if self.location is not None else -1


# For what is there, by what it is: the names that lead on from it to what is not, and whose that is.
_Marks = Mapping[Identity, Sequence[tuple[Pattern, _Place]]]


class ReservedPlaces:
    """Of all hosts. `private` are the paths of files that are gemd's alone."""

    def __init__(self, locations: Iterable[Location], private: Collection[str] = ()) -> None:
        self._places = [_Place(path, refusal=_OWN) for path in dict.fromkeys(private)]
        for location in locations:
            self._places.extend(_list_places(location))
        self._marks: _Marks = {}  # as they were at a moment
        self._looked_at = -_LOOK_INTERVAL
        self._looks_again = 0.0  # not before that, for a refusal

    def check_early(self, target: UploadTarget, location: Location) -> None:
        """The same as `check`, by what was there a moment ago; what that refuses may have changed since, as the file
        of a location of one page does with each upload."""
        begun = time.monotonic()
        if begun - self._looked_at < _LOOK_INTERVAL:
            try:
                _check(target, location, self._marks)
            except GeminiError:
                if begun < self._looks_again:
                    raise
            else:
                return
        self._marks, self._looked_at = self._look(), begun
        self._looks_again = begun + _PAUSE * (time.monotonic() - begun)
        _check(target, location, self._marks)

    def check(self, target: UploadTarget, location: Location) -> None:
        """Raise GeminiError (50) where an upload to the location must not change this. Raises OSError where it can't be
        told."""
        _check(target, location, self._look())

    def _look(self) -> _Marks:
        """What they are at this moment. Raises OSError."""
        marks: defaultdict[Identity, list[tuple[Pattern, _Place]]] = defaultdict(list)
        known: dict[str, tuple[Identity, Pattern]] = {}
        for place in self._places:
            identity, missing = _locate(place.path, known)
            marks[identity].append(((*missing, *place.pattern), place))
        return marks


def _list_places(location: Location) -> Iterator[_Place]:
    """What a location reserves."""
    if location.script is not None:
        yield _Place(location.script, refusal=_SCRIPTS)
    if location.app is not None and location.app_path is not None:
        yield _Place(location.app_path, refusal=_SCRIPTS)
    if location.root is None:
        return
    names = location.names[len(location.mount) :]
    begin, end = split_pattern(names) if location.match == "glob" else (names, ())
    is_alone = location.match == "exact"
    yield _Place(os.path.join(location.root, *begin), end, location=location, is_alone=is_alone)
    if AnswerKind.CGI in location.answers:
        for pattern in location.script_places.patterns:
            beginning, rest = split_pattern(pattern)
            yield _Place(os.path.join(location.root, *beginning), rest, refusal=_SCRIPTS)
        if location.script_places.is_everywhere:
            yield _Place(location.root, refusal=_SCRIPTS, is_everywhere=True)


def _locate(path: str, known: dict[str, tuple[Identity, Pattern]]) -> tuple[Identity, Pattern]:
    """What is at this path, or on the way to it, and the names that are missing. Raises OSError."""
    if path not in known:
        identity = identify_path(path)
        if identity is not None:
            known[path] = identity, ()
        else:
            parent, name = os.path.split(path.rstrip("/"))
            found, missing = _locate(parent or "/", known)
            known[path] = found, (*missing, name)
    return known[path]


def _check(target: UploadTarget, location: Location, marks: _Marks) -> None:
    """Raises GeminiError (50) and OSError."""
    found = list(_find(target, location, marks))
    nearest = max(((depth, place.kind) for depth, place in found if place.location is not None), default=(0, 0))
    if not any((depth, place.kind) == nearest and place.location is location for depth, place in found):
        raise _refuse(_OTHERS)
    for _, place in found:
        if place.refusal and (not place.is_everywhere or _may_be_script(target)):
            raise _refuse(place.refusal)


def _find(target: UploadTarget, location: Location, marks: _Marks) -> Iterator[tuple[int, _Place]]:
    """The places that the target is in, each with the number of names that lead there from "/". Raises OSError."""
    above = [name for name in os.path.realpath(str(location.root)).split("/") if name]
    way = [identify(os.stat("/" + "/".join(above[:depth]))) for depth in range(len(above))]
    way += [*target.way, *([identify(target.found)] if target.found is not None else [])]
    names = (*above, *target.names)
    for depth, identity in enumerate(way):
        for pattern, place in marks.get(identity, ()):
            matched = _match(pattern, names[depth:], place)
            if matched is not None and not (place.is_alone and depth + matched < len(names)):
                yield depth + matched, place


def _match(pattern: Pattern, names: Sequence[str], place: _Place) -> int | None:
    """How many of these names lead to what the pattern stands for, or what a file system may take for that."""
    if not pattern:
        return 0
    folded, of_pattern = [fold_name(name) for name in names], fold_pattern(pattern)
    if place.pattern:
        return find_depth(pattern, names) or find_depth(of_pattern, folded)
    return len(pattern) if tuple(folded[: len(pattern)]) == of_pattern else None


def _may_be_script(target: UploadTarget) -> bool:
    """Whether it would be one where all that is executable is."""
    is_executable = target.found is not None and target.found.st_mode & _EXECUTABLE
    return bool(is_executable) or has_script_extension(target.name)


def _refuse(text: str) -> GeminiError:
    return GeminiError(text, Status.PERMANENT_FAILURE)
