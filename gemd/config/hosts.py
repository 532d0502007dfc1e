"""Reads the hosts of a configuration, and merges what holds for a host into its locations.

Rules: a location's settings are its own or else its host's, and what protects those of the nearest location above it;
this is decided here and nowhere else; a mistake in a host is reported once, not again for each of its locations.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from gemd.config.script_places import EVERYWHERE, list_entries
from gemd.config.settings import DERIVED, Answer, Host, Location
from gemd.config.tables import Problem, key_path, keys_of, read_table, show
from gemd.config.types import LOG_WORDS, CAFile, Settings
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.host import normalise_name
from gemd.protocol.mime import is_media_type
from gemd.protocol.url import split_path

S = TypeVar("S", bound=Settings)

_LANGUAGES = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:,[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)*")
_APP = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*(?:\(\))?")
_REFERENCE = re.compile(r"[!$&'()*+,\-./0-9:;=?@A-Z_a-z~%]{1,1024}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOCATION_KEYS = {k: t for k, t in keys_of(Location).items() if k not in DERIVED}
# What protects holds for all that is below, until a location there has another word for it; so do limits of scripts.
PROTECTING = (
    *("client-certificate", "dot-files", "listing", "symlinks"),
    *(key for key in _LOCATION_KEYS if key.startswith("cgi-")),
)
# Beside `app` and `app-...`.
_APPLICATIONS = ("preload", "schemes", "hosts")
_HOST_ONLY_KEYS = {k: t for k, t in keys_of(Host).items() if k != "locations"}
_HOST_KEYS = {
    **_HOST_ONLY_KEYS,
    **{k: t for k, t in _LOCATION_KEYS.items() if k != "path"},
    "location": list[dict[str, object]],
}


def read_hosts(tables: object, base: Path, problems: list[Problem]) -> tuple[Host, ...]:
    """The `[[host]]` tables, relative paths taken from `base`. What is wrong goes to `problems`."""
    assert isinstance(tables, list)
    if not tables:
        problems.append(Problem("host", "expected at least one [[host]] table"))
    hosts = [_read_host(table, key_path("host", i), base, problems) for i, table in enumerate(tables, 1)]
    owners: dict[str, int] = {}
    for i, host in enumerate(hosts, 1):
        for name in host.names:
            if owners.setdefault(name, i) != i:
                problems.append(
                    Problem(key_path("host", i), f"{name} belongs to {key_path('host', owners[name])} already")
                )
    return tuple(hosts)


def _read_host(table: object, path: str, base: Path, problems: list[Problem]) -> Host:
    own = read_table(table, _HOST_KEYS, path, problems)
    location_tables = own.pop("location", [])
    assert isinstance(location_tables, list)
    host_values = {k: own.pop(k) for k in _HOST_ONLY_KEYS if k in own}
    if "name" not in host_values:
        if not isinstance(table, dict) or "name" not in table:
            problems.append(Problem(path, 'needs the key "name"'))
        # So that the other keys are checked too; a name that no other host can have.
        host_values["name"] = path.replace("[", "-").replace("]", "") + ".invalid"
    own_location = _make_location(own, own, path, base, problems)
    locations = [own_location]
    tables = [
        _read_location(entry, key_path(path, "location", i), problems) for i, entry in enumerate(location_tables, 1)
    ]
    for i, values in enumerate(tables, 1):
        where = key_path(path, "location", i)
        has_answer = any(answer.value in values for answer in Answer)
        replaced = [answer for answer in Answer if not is_inherited(answer, has_answer=has_answer)]
        inherited = {k: v for k, v in own.items() if not any(is_about(k, answer) for answer in replaced)}
        inherited |= _protection_above(values, tables)
        location = _make_location({**inherited, **values}, values, where, base, problems)
        if "root" in values:
            location = msgspec.structs.replace(location, mount=location.names)
        if location.names == () and locations[0] is own_location:
            locations[0] = location
        elif location.names in [known.names for known in locations]:
            problems.append(Problem(key_path(where, "path"), f"{location.path} is listed twice"))
        else:
            locations.append(location)
    host = msgspec.structs.replace(msgspec.convert(host_values, Host), locations=tuple(locations))
    if (host.certificate is None) != (host.key is None):
        problems.append(Problem(path, 'needs both "certificate" and "key", or neither'))
    host = msgspec.structs.replace(
        host,
        name=_host_name(host.name, key_path(path, "name"), problems),
        aliases=tuple(_host_name(alias, key_path(path, "aliases"), problems) for alias in host.aliases),
    )
    host = msgspec.structs.replace(
        host, locations=tuple(msgspec.structs.replace(location, host=host.name) for location in host.locations)
    )
    return absolute(host, base, "certificate", "key")


def _read_location(table: object, where: str, problems: list[Problem]) -> dict[str, object]:
    before = len(problems)
    values = read_table(table, _LOCATION_KEYS, where, problems)
    if len(problems) == before and "path" not in values:
        problems.append(Problem(where, 'needs the key "path"'))
    return values


def _protection_above(values: Mapping[str, object], tables: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """What protects the location with these values in a host with these locations, as the nearest above it says."""
    names = _names_of(values)
    above = [table for table in tables if len(_names_of(table)) < len(names) and _is_prefix(_names_of(table), names)]
    found: dict[str, object] = {}
    for table in sorted(above, key=lambda table: len(_names_of(table))):
        found |= {key: table[key] for key in PROTECTING if key in table}
    return found


def _names_of(values: Mapping[str, object]) -> tuple[str, ...]:
    return split_path(str(values.get("path", "/")))


def _is_prefix(short: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return names[: len(short)] == short


def is_about(key: str, answer: Answer) -> bool:
    """Whether a key is this answer's alone: for an application `app` itself, `app-path` and the like."""
    return key == answer.value or key.startswith(f"{answer.value}-") or (answer is Answer.APP and key in _APPLICATIONS)


def is_inherited(answer: Answer, *, has_answer: bool) -> bool:
    """Whether a location has this answer of its host's, if it has one of its own or if not.

    A redirect is for one path; files and scripts are for all that is below the root; anything else holds until there
    is something in its place.
    """
    if answer in (Answer.REDIRECT, Answer.GONE):
        return False
    return answer in (Answer.FILES, Answer.CGI) or not has_answer


def _make_location(
    values: Mapping[str, object], own: Collection[str], where: str, base: Path, problems: list[Problem]
) -> Location:
    """The location that has these values. Only problems of its `own` keys are reported: the others are its host's."""
    location = Location(**{key.replace("-", "_"): value for key, value in values.items()})  # type: ignore[arg-type]
    found = [Problem(key_path(where, key), text) for key, text in _judge(location) if key.partition(".")[0] in own]
    problems.extend(found)
    fields = ("root", "app_path", "app_directory", "script", *(["log"] if isinstance(location.log, str) else []))
    return _absolute_ca(msgspec.structs.replace(absolute(location, base, *fields), where=where), base)


def _judge(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with a location's values, by key."""
    if not location.path.startswith("/") or _is_climbing(location.path):
        yield "path", f"expected a path that begins with a slash, not {show(location.path)}"
    for extension, media_type in location.mime.items():
        if not (extension.startswith(".") or extension == "*") or not is_media_type(media_type):
            entry = f"{show(extension)} = {show(media_type)}"
            yield "mime", f'expected entries such as ".gmi" = "text/gemini", not {entry}'
    for name in location.index:
        if name.startswith("/") or _is_climbing(name):
            yield "index", f"expected a path below the root, not {show(name)}"
    for entry in list_entries(location.cgi):
        if entry != EVERYWHERE and (entry.startswith("/") or _is_climbing(entry)):
            yield "cgi", f'expected a path below the root, or "." for all of it, not {show(entry)}'
    if location.redirect is not None and not _REFERENCE.fullmatch(location.redirect.to):
        yield "redirect.to", f"expected a percent-encoded URL or path, not {show(location.redirect.to)}"
    if location.lang is not None and not _LANGUAGES.fullmatch(location.lang):
        yield "lang", f'expected a language tag as in "en" or "en,fr", not {show(location.lang)}'
    if location.charset is not None and not (location.charset.isprintable() and location.charset.isascii()):
        yield "charset", f"expected printable ASCII, not {show(location.charset)}"
    if location.app is not None and not _APP.fullmatch(location.app):
        yield "app", f'expected "package.module:name" or "package.module:factory()", not {show(location.app)}'
    if location.app_options and not (location.app or "").endswith("()"):
        yield "app-options", 'needs an app that is a factory, as in "package.module:factory()"'
    yield from _judge_proxy(location)
    if location.app_process and location.preload:
        yield "preload", "an application in a process of its own (app-process) is loaded there, and not by the master"
    if location.app_user is not None and location.app_process is False:
        yield "app-user", "needs a process for the application: set app-process = true"
    for name, text in judge_variables(location.cgi_environment):
        yield key_path("cgi-environment", name), text
    if location.log in LOG_WORDS:
        yield "log", f"expected true, false or the path of a file, not {show(location.log)}"
    for entry in location.client_certificate if isinstance(location.client_certificate, tuple) else ():
        try:
            parse_fingerprint(entry)
        except ValueError as error:
            yield "client-certificate", f"{error}, not {show(entry)}"


def _judge_proxy(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with whom an application answers for."""
    if not location.schemes or not all(map(_SCHEME.fullmatch, location.schemes)):
        yield "schemes", 'expected schemes in lower case, as in ["gemini", "https"]'
    for key, is_given in (("schemes", location.schemes != ("gemini",)), ("hosts", location.hosts is not None)):
        if is_given and location.app is None:
            yield key, "needs an app: nothing else answers for others"


def judge_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with variables of scripts, by name."""
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            yield name, "expected a variable name of letters, digits and _, and a text without NUL"


def _is_climbing(path: str) -> bool:
    """Whether a path has dot segments, which would never match a URL's names."""
    return not {".", ".."}.isdisjoint(path.split("/"))


def _absolute_ca(location: Location, base: Path) -> Location:
    rule = location.client_certificate
    if not isinstance(rule, CAFile):
        return location
    return msgspec.structs.replace(location, client_certificate=CAFile(ca=join_path(base, rule.ca)))


def _host_name(name: str, where: str, problems: list[Problem]) -> str:
    try:
        return normalise_name(name)
    except ValueError as error:
        problems.append(Problem(where, f"{show(name)} can't be a host: {error}"))
        return name


def absolute(settings: S, base: Path, *fields: str) -> S:
    """The settings with these paths taken from `base` where they are relative."""
    paths = {name: getattr(settings, name) for name in fields}
    return msgspec.structs.replace(settings, **{name: join_path(base, path) for name, path in paths.items() if path})


def join_path(base: Path, path: str) -> str:
    """`path` taken from `base` where it is relative, without dot segments where that leads to the same place: behind a
    symbolic link `..` is the parent of what it points to."""
    joined = str(base / path)
    shortest = os.path.normpath(joined)
    if shortest == joined or os.path.realpath(shortest) == os.path.realpath(joined):
        return shortest
    return joined
