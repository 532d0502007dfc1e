"""Which locations take uploads, and what is wrong with those that are to.

Rule: what answers with nothing that could take an upload says so when it is read, and not to clients.
"""

import os
from collections.abc import Iterator

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.settings import Config
from gemd.config.tables import Problem, key_path
from gemd.config.titan_settings import TitanSettings, judge_titan

KEY = "titan"
_WITH_FILES = ((AnswerKind.FILES,), (AnswerKind.CGI, AnswerKind.FILES))  # what answers all of a location is asked first


def judge_uploads(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with who may upload to a location, by key."""
    titan = location.titan
    if titan is False:
        return
    if titan is True:
        yield KEY, 'expected a table that says who may write, as in { allow = ["SHA256:..."] }, or false'
        return
    for key, text in judge_titan(titan):
        yield key_path(KEY, key), text
    reason = _why_nothing_is_taken(location)
    if reason is not None:
        yield KEY, reason
    elif titan.mkdir and not is_for_files(location):
        yield key_path(KEY, "mkdir"), "is for files, and a program answers here: remove it"


def _why_nothing_is_taken(location: Location) -> str | None:
    if not location.answers:
        return "needs who takes uploads beside it: a root, or a program that answers"
    first = location.answers[0]
    if first in (AnswerKind.GONE, AnswerKind.REDIRECT):
        return f"{first.value} answers everything here, and takes no uploads: remove one of them"
    if first is AnswerKind.PROXY and location.proxy is not None and _is_http(location):
        return "a server of HTTP takes no uploads from gemd: only gemini:// does"
    return None


def _is_http(location: Location) -> bool:
    try:
        return location.proxy is not None and any(each.scheme == "http" for each in parse_upstreams(location.proxy))
    except ValueError:  # which is told already
        return False


def judge_sizes(config: Config) -> Iterator[Problem]:
    """Uploads that are allowed and would never have room."""
    limits = config.limits
    for where, _, titan in find_tables(config):
        for key, most in (("uploads-per-address", limits.uploads_per_address), ("uploads", limits.uploads)):
            if titan.max_size > most:
                text = f"is more than limits.{key} ({most}), so that no such upload would ever be taken"
                yield Problem(key_path(where, "max-size"), text)
                break


def find_uploads(config: Config) -> Iterator[tuple[str, Location, TitanSettings]]:
    """The locations that take uploads, each with its key's path in the configuration."""
    for host in config.hosts:
        for location in host.locations:
            if isinstance(location.titan, TitanSettings):
                yield key_path(location.where, KEY), location, location.titan


def find_tables(config: Config) -> Iterator[tuple[str, Location, TitanSettings]]:
    """The same, of those of a host that have equal tables the first alone: the others have it from there."""
    seen: list[tuple[str, TitanSettings]] = []
    for where, location, titan in find_uploads(config):
        table = where.partition(".")[0], titan
        if table not in seen:
            seen.append(table)
            yield where, location, titan


def is_for_files(location: Location) -> bool:
    """Whether what is uploaded here may become a file."""
    return location.titan is not False and location.answers in _WITH_FILES


def find_upload_directories(config: Config) -> Iterator[str]:
    """Where what is uploaded becomes files, or below. None of it need exist."""
    for _, location, _ in find_uploads(config):
        if is_for_files(location):
            yield os.path.join(str(location.root), *location.names[len(location.mount) :])


def is_for_program(location: Location) -> bool:
    """Whether a program may take what is uploaded here."""
    return location.titan is not False and location.answers != (AnswerKind.FILES,)


def takes_uploads(config: Config) -> bool:
    """Whether any location does."""
    return any(True for _ in find_uploads(config))
