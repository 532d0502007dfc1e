"""Finding a script: what the names of a URL lead to, as `cgi` says where scripts are.

Rules: in a place of scripts is a script or nothing; where all of the root is a place, what is executable is a script,
and anything else is left to others. What is opened to look at it is not read.
"""

import functools
import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gemd.config.host_settings import Location
from gemd.protocol.errors import NotFound
from gemd.protocol.url import Url, split_path
from gemd.responders.refusals import NOT_FOUND, explain_error, open_root_of
from gemd.system.beneath import open_root
from gemd.system.resolved import Resolved

_WORTH_TRYING = 2  # names that may lead to the script

OpenBelow = Callable[[int, Sequence[str]], Resolved]  # what names lead to below the open root


class FoundScript(NamedTuple):
    """The first `depth` names of a URL lead to a script, which has this name in an open directory, the caller's.

    Where the URL names a directory, `index_names` lead on to the script.
    """

    depth: int
    directory: int
    name: str
    is_executable: bool = False  # for somebody
    index_names: tuple[str, ...] = ()


def find_script(location: Location, names: Sequence[str], depth: int, open_below: OpenBelow) -> FoundScript:
    """The script that `names` lead to: the first regular file after the first `depth` names.

    `open_below` opens what names lead to below the open root. Raises NotFound (51) where there is none, GeminiError
    (40) where that can't be told at the moment, and what `open_below` raises.
    """
    root = open_root_of(location)
    try:
        found = _find_deepest(location, names, depth, open_below, root)
        if found is None:
            found = _find_first(location, names, depth, open_below, root)
    except OSError as error:
        raise explain_error(error, "/" + "/".join(names)) from None
    finally:
        os.close(root)
    if found is None:
        raise NotFound
    return found


def _find_deepest(
    location: Location, names: Sequence[str], depth: int, open_below: OpenBelow, root: int
) -> FoundScript | None:
    """What all of the names lead to, if it is a regular file, as it mostly is: then nothing on the way to it is one."""
    if len(names) - depth < _WORTH_TRYING or any("/" in name for name in names[depth:]):
        return None
    try:
        return _find_at(location, names, len(names), open_below, root)[0]
    except NotFound:
        return None
    except OSError as error:
        if error.errno in NOT_FOUND:
            return None
        raise


def _find_first(
    location: Location, names: Sequence[str], depth: int, open_below: OpenBelow, root: int
) -> FoundScript | None:
    for end in range(depth + 1, len(names) + 1):
        if "/" in names[end - 1]:
            break
        found, is_directory = _find_at(location, names, end, open_below, root)
        if found is not None or not is_directory:
            return found
    return None


def _find_at(
    location: Location, names: Sequence[str], end: int, open_below: OpenBelow, root: int
) -> tuple[FoundScript | None, bool]:
    """The script that the first `end` names lead to, None where it is no regular file; whether it is a directory."""
    resolved = open_below(root, names[len(location.mount) : end])
    mode = resolved.status.st_mode
    try:
        if not stat.S_ISREG(mode):
            return None, stat.S_ISDIR(mode)
        return FoundScript(end, resolved.open_parent(root), resolved.names[-1], bool(mode & 0o111)), False
    finally:
        os.close(resolved.descriptor)


def find_in_places(location: Location, url: Url, open_below: OpenBelow) -> FoundScript | None:
    """The script that a URL of the location names; None where it is for others to answer.

    Raises as `find_script` does: NotFound where it is not.
    """
    names, mount, places = url.names, len(location.mount), location.script_places
    depth = places.find_depth(names[mount:])
    if depth is not None:
        try:
            return find_script(location, names, mount + depth - 1, open_below)
        except NotFound:
            found = find_index(location, names, open_below, is_place=True)
            if found is None:
                raise
            return found
    if places.is_everywhere:
        try:
            found = find_script(location, names, mount, open_below)
        except NotFound:
            found = None  # or a directory
        if found is not None and found.is_executable:
            return found
        if found is not None:
            os.close(found.directory)
            return None
    return find_index(location, names, open_below, is_place=False) if url.is_directory else None


def find_index(
    location: Location, names: Sequence[str], open_below: OpenBelow, *, is_place: bool
) -> FoundScript | None:
    """The script that stands for the directory that `names` lead to, if the first of its index files is one.

    In a place of scripts, where nothing else can be, that is the first one that is executable, if any is.
    """
    lost: tuple[str, ...] = ()
    for index, may_run, must_run in _list_candidates(location, names, is_place):
        mode = _look_at((*names, *index), location, open_below)
        if mode is None or not stat.S_ISREG(mode):
            continue
        is_executable = bool(mode & 0o111)
        if is_place and not is_executable:
            lost = lost or index
        elif may_run and (is_executable or must_run):
            return _find_index_script(location, names, index, open_below)
        else:
            return None
    return _find_index_script(location, names, lost, open_below) if lost else None


def _list_candidates(
    location: Location, names: Sequence[str], is_place: bool
) -> list[tuple[tuple[str, ...], bool, bool]]:
    """The index files, each with whether it is a script if it can be run, and whether it is one anyway; none where
    there is none that could be."""
    places, mount = location.script_places, len(location.mount)
    candidates = []
    for index in _split_all(location.index):
        must_run = is_place or places.find_depth((*names[mount:], *index)) is not None
        candidates.append((index, must_run or places.is_everywhere, must_run))
    return candidates if any(may_run for _, may_run, _ in candidates) else []


def may_have_script(location: Location, url: Url, depth: int | None) -> bool:
    """Whether a URL of the location can lead to a script, of which `depth` names lead to a place, if any do."""
    places = location.script_places
    if depth is not None or places.is_everywhere:
        return True
    if not url.is_directory:
        return False
    names = url.names[len(location.mount) :]
    return any(places.find_depth(names + index) is not None for index in _split_all(location.index))


@functools.lru_cache(maxsize=1024)
def _split_all(entries: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(map(split_path, entries))


def _look_at(names: Sequence[str], location: Location, open_below: OpenBelow) -> int | None:
    """The mode of what is there, None for nothing. Raises as `find_script` does, but for NotFound."""
    root = open_root_of(location)
    try:
        resolved = open_below(root, names[len(location.mount) :])
    except NotFound:
        return None
    except OSError as error:
        if error.errno in NOT_FOUND:
            return None
        raise explain_error(error, "/" + "/".join(names)) from None
    finally:
        os.close(root)
    os.close(resolved.descriptor)
    return resolved.status.st_mode


def _find_index_script(
    location: Location, names: Sequence[str], index: tuple[str, ...], open_below: OpenBelow
) -> FoundScript:
    found = find_script(location, (*names, *index), len(names) + len(index) - 1, open_below)
    return found._replace(depth=len(names), index_names=index)


def open_mounted(location: Location) -> tuple[int, str]:
    """The directory, open, in which the location's own script really is, and the name that it has there. Raises OSError
    where it is not there."""
    assert location.script is not None
    path = os.path.realpath(location.script, strict=True)
    return open_root(os.path.dirname(path)), os.path.basename(path)


def split_mounted_path(segments: Sequence[str], depth: int) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO of a script that answers all that follows these first `depth` names; together they are
    the path."""
    return split_script_path(segments, depth) if depth else ("", "/" + "/".join(segments))


def split_script_path(segments: Sequence[str], depth: int) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO (RFC 3875, 4.1.13 and 4.1.5), decoded, when the first `depth` names lead to the script.

    Empty segments before it mean nothing; those after it are the script's business and stay.
    """
    end = 0
    for index, segment in enumerate(segments):
        if segment and not depth:
            break
        depth -= bool(segment)
        end = index + 1
        if not depth:
            break
    rest = segments[end:]
    return "/" + "/".join(filter(None, segments[:end])), "/" + "/".join(rest) if rest else ""
