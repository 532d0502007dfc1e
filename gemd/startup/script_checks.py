"""Checks the places of scripts that a configuration names against this machine.

Rules: a place that has one name has to exist, for by a mistake in it scripts would be sent as files; that nothing is
matched, or can be reached, is worth a word; so has a location's own script to. Looking for what is matched has an end.
"""

import os
import stat
from collections.abc import Iterator

from gemd.config import Config, Host, Problem
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_places import EVERYWHERE, Pattern, find_depth, list_entries, split_pattern
from gemd.config.tables import key_path
from gemd.options import DEFAULT_CGI
from gemd.protocol.url import split_path
from gemd.system.attempt import attempt
from gemd.system.beneath import open_beneath, open_root
from gemd.system.hindrances import explain_unusable

_MAX_ENTRIES = 20_000  # of directories, when something is looked for that a pattern matches
_MAX_DEPTH = 16


def find_missing_places(config: Config, *, needs_default: bool) -> list[Problem]:
    """A problem for every place that is not there, where it is named first. That flags alone have a directory of
    scripts by default does not name it, unless it `needs_default`."""
    problems = []
    for host in config.hosts:
        seen = set()
        for where, location, pattern in list_places(host):
            beginning, rest = split_pattern(pattern)
            path = os.path.join(str(location.root), *beginning)
            is_default = config.source is None and not needs_default and location.cgi == DEFAULT_CGI
            if is_default or (path, not rest) in seen or not os.path.isdir(str(location.root)):
                continue
            seen.add((path, not rest))
            reason = _why_no_place(path, may_be_file=not rest)
            if reason:
                problems.append(Problem(where, f"{path} {reason}"))
    return problems


def find_idle_places(config: Config) -> Iterator[Problem]:
    """What can't be reached from its root, as links are not followed that lead there, and what matches nothing."""
    for host in config.hosts:
        seen = set()
        for where, location, pattern in list_places(host):
            root, (beginning, rest) = str(location.root), split_pattern(pattern)
            path = os.path.join(root, *pattern)
            if path in seen or not os.path.isdir(os.path.join(root, *beginning)):
                continue
            seen.add(path)
            with attempt(f"what {path} stands for could not be found"):
                if not _is_reachable(root, beginning, location):
                    text = f'leads out of the root, or over a link, which symlinks = "{location.symlinks}" forbids'
                    yield Problem(where, f"{path} {text}: nothing is run there")
                elif rest and not _matches_something(os.path.join(root, *beginning), rest):
                    yield Problem(where, f"{path} matches nothing at the moment")


def list_places(host: Host) -> Iterator[tuple[str, Location, Pattern]]:
    """The entries of its locations but for all of a root, each with its key. The host's are meant for its own root."""
    first = host.locations[0]
    for location in host.locations:
        is_inherited = (
            location is not first and location.cgi == first.cgi and first.root is not None
        ) and location.root != first.root
        if AnswerKind.CGI not in location.answers or is_inherited:
            continue
        key = key_path(location.where, AnswerKind.CGI.value)
        for i, entry in enumerate(list_entries(location.cgi), 1):
            if entry != EVERYWHERE:
                yield key if isinstance(location.cgi, str) else key_path(key, i), location, split_path(entry)


def find_missing_scripts(config: Config) -> list[Problem]:
    """A problem for every script of a location's own that is not there, or that nobody may execute."""
    problems = []
    for host in config.hosts:
        seen = set()
        for location in host.locations:
            path = location.script
            if path is None or path in seen:
                continue
            seen.add(path)
            reason = _why_no_script(path)
            if reason:
                problems.append(Problem(key_path(location.where, AnswerKind.SCRIPT.value), f"{path} {reason}"))
    return problems


def _why_no_script(path: str) -> str | None:
    try:
        with attempt(f"the script {path} could not be found"):
            mode = os.stat(path).st_mode
    except OSError as error:
        return f"can't be used: {explain_unusable(path, error)}"
    if not stat.S_ISREG(mode):
        return "is no file"
    return None if mode & 0o111 else f"is not executable: chmod +x {path}"


def _why_no_place(path: str, *, may_be_file: bool) -> str | None:
    try:
        with attempt(f"{path} could not be opened"):
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                mode = os.fstat(descriptor).st_mode
            finally:
                os.close(descriptor)
    except OSError as error:
        return f"can't be opened: {explain_unusable(path, error)}"
    if stat.S_ISDIR(mode) or (may_be_file and stat.S_ISREG(mode)):
        return None
    return "is neither a directory nor a file" if may_be_file else "is no directory"


def _is_reachable(root: str, names: Pattern, location: Location) -> bool:
    """Whether a request could get there, as far as links go."""
    top = open_root(root)
    try:
        os.close(open_beneath(top, names, location.symlinks, is_read=False))
    except OSError:
        return False
    finally:
        os.close(top)
    return True


def _matches_something(path: str, pattern: Pattern) -> bool:
    """Whether there is something below the directory, or too much to look at all of it."""
    waiting: list[Pattern] = [()]
    seen = 0
    while waiting:
        names = waiting.pop()
        try:
            entries = list(os.scandir(os.path.join(path, *names)))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            below = (*names, entry.name)
            if seen > _MAX_ENTRIES or find_depth(pattern, below) is not None:
                return True
            if len(below) < _MAX_DEPTH and entry.is_dir(follow_symlinks=False):
                waiting.append(below)
    return False
