"""Checks whether scripts could be run: by whom that is, with the interpreter that each names, and inside the chroot.

Rules: a script may be mended without a reload, so that all of it is a warning; in places of scripts no more is looked
at than so much in all, and that some is not is told.
"""

import itertools
import os
from collections.abc import Iterator

import msgspec

from gemd.config import Config, Problem
from gemd.config.host_settings import AnswerKind, Host, Location
from gemd.config.script_places import EVERYWHERE, Pattern, list_entries, split_pattern
from gemd.config.script_settings import find_script_settings
from gemd.config.tables import key_path
from gemd.protocol.characters import is_misleading
from gemd.protocol.quantities import count
from gemd.startup.script_checks import list_places
from gemd.system.attempt import attempt
from gemd.system.interpreters import Runner, why_not_run
from gemd.system.privileges import Identity, find_identity

_MAX_ENTRIES = 10_000  # of directories, in all places of scripts
_MAX_DEPTH = 16
_SHOWN = 3  # names in a line
_EXECUTABLE = 0o111


class _Place(msgspec.Struct, frozen=True):
    """Where a location has scripts, as the key at `where` says: below `top` of its root, all that `pattern` matches; or
    what is executable there, where the pattern is None."""

    where: str
    location: Location
    top: str
    pattern: Pattern | None
    closed: frozenset[str]  # directories of locations without scripts


class _Allowance:
    """How many entries may still be looked at."""

    def __init__(self) -> None:
        self.left = _MAX_ENTRIES

    def take(self, directory: str) -> list[os.DirEntry[str]]:
        """As many of this one's as there may be, by their names; nothing where it can't be listed."""
        try:
            with attempt(f"the directory {directory} could not be listed"), os.scandir(directory) as entries:
                found = list(itertools.islice(entries, self.left))
        except OSError:
            return []
        self.left -= len(found)
        return sorted(found, key=lambda entry: entry.name)


def find_broken_scripts(config: Config) -> Iterator[Problem]:
    """A problem for every script of a location's own that could not be run. Raises PrivilegeError."""
    seen = set()
    for location in config.locations:
        if location.script is None or location.script in seen:
            continue
        seen.add(location.script)
        with attempt(f"the script {location.script} could not be looked at"):
            reason = why_not_run(location.script, _find_runner(config, location))
        if reason is not None:
            yield Problem(key_path(location.where, AnswerKind.SCRIPT.value), f"{location.script} {reason}")


def find_broken_places(config: Config) -> Iterator[Problem]:
    """Problems of what is in places of scripts, several of a kind in one. Raises PrivilegeError."""
    allowance = _Allowance()
    for place in _list_all(config):
        runner = _find_runner(config, place.location)
        refused: list[str] = []
        broken: dict[str, list[tuple[str, str]]] = {}
        for path in _walk(place, allowance):
            with attempt(f"the script {path} could not be looked at"):
                is_refused, reason = _judge(path, place, runner)
            if is_refused:
                refused.append(path)
            elif reason is not None:
                broken.setdefault(reason.replace(path, ""), []).append((path, reason))
        yield from _describe(place, refused, broken)
        if not allowance.left:
            text = f"only {count(_MAX_ENTRIES, 'file')} in places of scripts were looked at, and not all in {place.top}"
            yield Problem(place.where, f"{text}: of the others the error log tells once they are asked for")
            return


def _judge(path: str, place: _Place, runner: Runner) -> tuple[bool, str | None]:
    """Whether nobody may execute it, and what else is wrong with it."""
    try:
        is_executable = bool(os.stat(path).st_mode & _EXECUTABLE)
    except OSError:
        return False, None  # gone meanwhile, or a link to nothing
    if not is_executable:
        return place.pattern is not None, None
    return False, why_not_run(path, runner)


def _describe(place: _Place, refused: list[str], broken: dict[str, list[tuple[str, str]]]) -> Iterator[Problem]:
    for several in broken.values():
        path, reason = several[0]
        others = f"; so it is with {count(len(several) - 1, 'other')}" if len(several) > 1 else ""
        yield Problem(place.where, f"{path} {reason}{others}")
    if refused:
        names = ", ".join(os.path.relpath(path, place.top) for path in refused[:_SHOWN])
        more = ", ..." if len(refused) > _SHOWN else ""
        text = f"{place.top} has {count(len(refused), 'file')} that can't be executed, and who asks for one gets 42"
        yield Problem(place.where, f"{text} ({names}{more}): chmod +x what is a script, and keep the others elsewhere")


def _list_all(config: Config) -> Iterator[_Place]:
    """Each place once."""
    for host in config.hosts:
        closed = frozenset(_find_closed(host))
        seen: set[tuple[str, Pattern | None]] = set()
        for where, location, pattern in list_places(host):
            top = os.path.join(str(location.root), *split_pattern(pattern)[0])
            if (top, pattern) not in seen:
                seen.add((top, pattern))
                yield _Place(where, location, top, pattern, closed)
        for location in host.locations:
            is_everywhere = AnswerKind.CGI in location.answers and EVERYWHERE in list_entries(location.cgi)
            if is_everywhere and (str(location.root), None) not in seen:
                seen.add((str(location.root), None))
                where = key_path(location.where, AnswerKind.CGI.value)
                yield _Place(where, location, str(location.root), None, closed)


def _find_closed(host: Host) -> Iterator[str]:
    for location in host.locations:
        if location.root is not None and AnswerKind.CGI not in location.answers:
            yield os.path.join(location.root, *location.names[len(location.mount) :])


def _walk(place: _Place, allowance: _Allowance) -> Iterator[str]:
    """The files of a place, by their paths, as far as clients could ask for them."""
    if os.path.isfile(place.top):
        yield place.top
        return
    root = str(place.location.root)
    waiting = [place.top]
    while waiting:
        directory = waiting.pop()
        names = () if directory == root else tuple(os.path.relpath(directory, root).split("/"))
        for entry in allowance.take(directory):
            below = (*names, entry.name)
            if not place.location.allows_name(entry.name) or is_misleading(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if len(below) < _MAX_DEPTH and entry.path not in place.closed:
                    waiting.append(entry.path)
            elif _has(place, below) and entry.is_file():
                yield entry.path


def _has(place: _Place, names: Pattern) -> bool:
    return place.pattern is None or place.location.script_places.find_depth(names) is not None


def _find_runner(config: Config, location: Location) -> Runner:
    """Who runs the scripts of this location. Raises PrivilegeError."""
    settings = find_script_settings(config, location).cgi
    search_path = settings.environment.get("PATH", settings.path)
    return Runner(_find_user(config, settings.user), search_path, (config.service.chroot or "").rstrip("/"))


def _find_user(config: Config, user: str | None) -> Identity | None:
    service = config.service
    if user is not None:
        return find_identity(user, None)
    return find_identity(service.user, service.group) if service.user not in (None, "root") else None
