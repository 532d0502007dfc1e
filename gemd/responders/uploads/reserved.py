"""What no upload may touch, though it lies beneath a location's root: other locations, scripts, applications, and files
that are gemd's alone.

Rules: directories and files are known by device and inode, so that no mount and no spelling leads around this; what is
not there yet is known by its path. They are looked up anew each time, for uploads are rare.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_places import find_depth, fold_name, fold_pattern
from gemd.protocol.errors import GeminiError
from gemd.protocol.status import Status
from gemd.responders.script_looks import has_script_extension
from gemd.responders.sources import Sources
from gemd.responders.uploads.target import UploadTarget
from gemd.system.confinement import is_beneath
from gemd.system.resolved import Identity, Resolved, identify, identify_path

_EXECUTABLE = 0o111  # for somebody
_OTHERS = "Another location decides about this path, which can't be changed by way of this one"
_SCRIPTS = "Scripts are run from here, and none can be uploaded"
_OWN = "This file belongs to the server, and can't be changed"


class ReservedPlaces:
    """Of all hosts. `private` are the paths of files that are gemd's alone."""

    def __init__(self, locations: Iterable[Location], private: Collection[str] = ()) -> None:
        self._locations = [location for location in locations if location.root is not None]
        everybody = [*locations]
        self._sources = Sources(everybody)
        applications = (each.app_path for each in everybody if each.app is not None and each.app_path is not None)
        scripts = (each.script for each in everybody if each.script is not None)
        self._private = tuple(dict.fromkeys(private))
        self._programs = tuple(dict.fromkeys((*applications, *scripts)))

    def check(self, target: UploadTarget, location: Location) -> None:
        """Raise GeminiError (50) where an upload to the location must not change this. Raises OSError where it can't be
        told."""
        path = os.path.join(os.path.realpath(str(location.root)), *target.names)
        way = [*target.way, *([identify(target.found)] if target.found is not None else [])]
        self._check_location(target, way, path, location)
        if _is_among(self._private, way, path):
            raise _refuse(_OWN)
        if _is_among(self._programs, way, path) or self._has_scripts(target, way, path, location):
            raise _refuse(_SCRIPTS)

    def _check_location(self, target: UploadTarget, way: Sequence[Identity], path: str, location: Location) -> None:
        """The nearest directory or file on the way that is some location's has to be this one's."""
        by_identity: defaultdict[Identity, list[Location]] = defaultdict(list)
        by_path: defaultdict[str, list[Location]] = defaultdict(list)
        for each in self._locations:
            beginning = os.path.join(str(each.root), *each.names[len(each.mount) :])
            identity = identify_path(beginning)
            if identity is not None:
                by_identity[identity].append(each)
            else:
                by_path[os.path.realpath(beginning)].append(each)
        missing = [by_path[each] for each in _list_paths(path, len(target.names) + 1 - len(way)) if each in by_path]
        found = [by_identity[each] for each in reversed(way) if each in by_identity]
        nearest = next(iter([*missing, *found]), [])
        if not any(each is location for each in nearest):
            raise _refuse(_OTHERS)

    def _has_scripts(self, target: UploadTarget, way: Sequence[Identity], path: str, location: Location) -> bool:
        """Whether a script may be there, or become one."""
        if not self._sources:
            return False
        if any(_has_place(each, path) for each in self._locations if AnswerKind.CGI in each.answers):
            return True
        root = str(location.root)
        known = self._sources.look({root: target.way[0]}, identify_path)
        if known.have(root, way, Resolved(-1, os.fstat(target.directory), target.names)):
            return True
        if not known.have_around(way):
            return False
        is_executable = target.found is not None and target.found.st_mode & _EXECUTABLE
        return bool(is_executable) or has_script_extension(target.name)


def _list_paths(path: str, number: int) -> Iterator[str]:
    """So many paths: this one, and then each time the directory that the one before is in."""
    for _ in range(number):
        yield path
        path = os.path.dirname(path)


def _is_among(paths: Sequence[str], way: Sequence[Identity], path: str) -> bool:
    """Whether one of these files and directories is on the way, or would be at this path."""
    for each in paths:
        identity = identify_path(each)
        if identity in way if identity is not None else is_beneath(path, os.path.realpath(each)):
            return True
    return False


def _has_place(location: Location, path: str) -> bool:
    """Whether this path is in a place of the location's scripts, by its names."""
    root = os.path.realpath(str(location.root))
    if not is_beneath(path, root):
        return False
    names = tuple(name for name in path[len(root) :].split("/") if name)
    places, folded = location.script_places, [fold_name(name) for name in names]
    return any(
        find_depth(pattern, names) is not None or find_depth(fold_pattern(pattern), folded) is not None
        for pattern in places.patterns
    )


def _refuse(text: str) -> GeminiError:
    return GeminiError(text, Status.PERMANENT_FAILURE)
