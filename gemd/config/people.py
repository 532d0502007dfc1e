"""Where users' directories are among the locations of a host, and what is wrong with how they are configured.

Rule: they have the settings of the location that their path leads to, or of one that is there for a user or for a part
of what that one has; a location with an answer of its own is in their place.
"""

from collections.abc import Iterator

import msgspec

from gemd.config.answer_settings import is_partial
from gemd.config.host_settings import AnswerKind, Host, Location
from gemd.config.people_settings import UserDirectories
from gemd.config.script_places import list_entries, match_name
from gemd.config.settings import Config
from gemd.config.tables import key_path, show
from gemd.protocol.url import has_dot_segments, split_path

PEOPLE_KEY = "user-directories"

_FIRST = (AnswerKind.GONE, AnswerKind.ANSWER, AnswerKind.REDIRECT)  # what is asked before users' directories
_NO_ANSWERS_ALONE = frozenset({AnswerKind.CGI, AnswerKind.FILES})  # every location may have these of its host


def place_people(host: Host) -> Host:
    """The host, with its locations told which of them have users' directories."""
    table = host.user_directories
    if table is None:
        return host
    prefixes = [each for each in host.locations if each.match == "prefix"]
    above = [each for each in prefixes if table.prefix[: len(each.names)] == each.names]
    begin = max(above, key=lambda each: len(each.names))
    locations = tuple(
        msgspec.structs.replace(location, people=table)
        if location is begin or _is_begin(location, table) or is_for_user(location, table, host)
        else location
        for location in host.locations
    )
    return msgspec.structs.replace(host, locations=locations)


def _is_begin(location: Location, table: UserDirectories) -> bool:
    """Whether one with wildcards has users in it, and is for none of them."""
    return location.match == "glob" and len(location.names) <= len(table.prefix) and _meets(location, table)


def _meets(location: Location, table: UserDirectories) -> bool:
    """Whether the paths of users may be in one with wildcards."""
    if not all(map(match_name, location.names, table.prefix)):
        return False
    name = next(iter(location.names[len(table.prefix) :]), "*")
    begin = name.replace("?", "*").partition("*")[0]
    return begin.startswith(table.mark) or (begin != name and table.mark.startswith(begin))


def is_for_user(location: Location, table: UserDirectories, host: Host) -> bool:
    """Whether a location is for the directory of a user, or a part of it, or of several: it has no answer that its host
    has not."""
    if location.mount or len(location.names) <= len(table.prefix):
        return False
    if not (_meets(location, table) if location.match == "glob" else table.find_user(location.names) is not None):
        return False
    first = host.locations[0]
    kinds = (answer.value.replace("-", "_") for answer in AnswerKind if answer not in _NO_ANSWERS_ALONE)
    pairs = [(getattr(location, kind), getattr(first, kind)) for kind in kinds]
    return all(own in (None, False, inherited) or is_partial(own) for own, inherited in pairs)


def count_before(location: Location) -> int:
    """How many of its answers are tried before users' directories."""
    return sum(1 for answer in location.answers if answer in _FIRST)


def find_people(config: Config) -> Iterator[tuple[str, Host, UserDirectories]]:
    """The hosts that have users' directories, each with the path of the key."""
    for host in config.hosts:
        if host.user_directories is not None:
            own = host.where
            yield key_path(own, PEOPLE_KEY), host, host.user_directories


def judge_people(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong, by the path of the key."""
    for where, host, table in find_people(config):
        if config.service.chroot is not None:
            yield where, "can't be served from within a chroot, where users can't be looked up: remove one of them"
        yield from ((key_path(where, key), text) for key, text in _judge_table(table))
        if table.cgi is not None and not all(_runs_apart(each, config) for each in host.locations):
            text = "needs cgi.user, as whom all of these scripts run: they never run as the workers do"
            yield key_path(where, "cgi"), text
        yield from ((where, text) for text in _judge_order(table, host))
        first = host.locations[0]
        for location in host.locations[1:]:
            if location.titan not in (False, first.titan) and is_for_user(location, table, host):
                text = "nothing is uploaded to a user's directory, where all is to be that user's own: remove it"
                yield key_path(location.where, "titan"), text


def _runs_apart(location: Location, config: Config) -> bool:
    return location.people is None or (location.cgi_user or config.cgi.user) is not None


def _judge_order(table: UserDirectories, host: Host) -> Iterator[str]:
    """Whether users' directories are ever asked where they begin."""
    for location in host.locations:
        if location.people is not None and not is_for_user(location, table, host):
            for kind, value in zip(_FIRST, (location.gone, location.answer, location.redirect), strict=True):
                if value and not is_partial(value):
                    yield f"would never be asked, since {kind.value} answers everything at {location.path}"


def _judge_table(table: UserDirectories) -> Iterator[tuple[str, str]]:
    if not _names_something(table.path) or "*" in table.path:
        yield "path", f'expected "~", or a path that names are below, such as "users", not {show(table.path)}'
    if table.directory.startswith("/") or not _names_something(table.directory):
        text = "expected a directory below the home, such as public_gemini"
        yield "directory", f"{text}, not {show(table.directory)}"
    for entry in list_entries(table.cgi):
        if entry.startswith("/") or not _names_something(entry):
            yield "cgi", f"expected a path below the directory, not {show(entry)}"


def _names_something(path: str) -> bool:
    return bool(split_path(path)) and not has_dot_segments(path)
