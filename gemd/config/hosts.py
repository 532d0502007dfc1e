"""Reads the hosts of a configuration, and merges what holds for a host into its locations.

Rules: a location's settings are its own or else its host's, and what protects those of the nearest location above it;
this is decided here and nowhere else; a mistake in a host is reported once, not again for each of its locations.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from gemd.config.answer_settings import is_partial
from gemd.config.budgets import find_budgets, judge_rate
from gemd.config.host_settings import DERIVED, AnswerKind, Host, Location
from gemd.config.location_checks import judge_beside, judge_location
from gemd.config.origins import Origins
from gemd.config.pass_settings import PassHost, is_pass_host, read_pass_host
from gemd.config.paths import absolute, absolute_location
from gemd.config.placement import Placement, list_above, place_of
from gemd.config.tables import Problem, key_path, keys_of, read_table, show
from gemd.protocol.host import normalise_name

LOCATION_KEYS = {k: t for k, t in keys_of(Location).items() if k not in DERIVED}
_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Location)}
# What protects holds for all that is below, until a location there has another word for it; so do limits of scripts.
PROTECTING = (
    *("access", "client-certificate", "convert", "dot-files", "listing", "meta-files", "symlinks"),
    *(key for key in LOCATION_KEYS if key.startswith("cgi-")),
)
# Beside `app` and `app-...`.
_APPLICATIONS = ("preload", "schemes", "hosts")
_HOST_ONLY_KEYS = {k: t for k, t in keys_of(Host).items() if k != "locations"}
HOST_KEYS = {
    **_HOST_ONLY_KEYS,
    **{k: t for k, t in LOCATION_KEYS.items() if k not in ("path", "match")},
    "location": list[dict[str, object]],
}


def read_hosts(
    tables: object, origins: Origins, problems: list[Problem]
) -> tuple[tuple[Host, ...], tuple[PassHost, ...]]:
    """The `[[host]]` tables, those that are served and those that are passed on, which are in the files that `origins`
    knows. What is wrong goes to `problems`."""
    assert isinstance(tables, list)
    if not tables and all(problem.path != "host" for problem in problems):
        problems.append(Problem("host", "expected at least one [[host]] table"))
    hosts: list[Host] = []
    passes: list[PassHost] = []
    owners: dict[str, str] = {}
    for i, table in enumerate(tables, 1):
        path = key_path("host", i)
        base = origins.base_of(path)
        host: Host | PassHost | None
        if not is_pass_host(table):
            hosts.append(host := _read_host(table, path, i, base, problems))
        elif (host := read_pass_host(table, path, HOST_KEYS, _host_name, problems)) is not None:
            passes.append(host)
        for name in host.names if host is not None else ():
            if owners.setdefault(name, path) != path:
                problems.append(Problem(path, f"{name} belongs to {origins.describe(owners[name], path)} already"))
    if tables and is_pass_host(tables[0]) and "pass" in tables[0]:
        text = "the first host answers clients that name none, so it has to be served here: put another one before it"
        problems.append(Problem(key_path("host", 1, "pass"), text))
    return tuple(hosts), tuple(passes)


def _read_host(table: object, path: str, number: int, base: Path, problems: list[Problem]) -> Host:
    own = read_table(table, HOST_KEYS, path, problems)
    location_tables = own.pop("location", [])
    assert isinstance(location_tables, list)
    host_values = {k: own.pop(k) for k in _HOST_ONLY_KEYS if k in own}
    if "name" not in host_values:
        if not isinstance(table, dict) or "name" not in table:
            problems.append(Problem(path, 'needs the key "name"'))
        # So that the other keys are checked too; a name that no other host can have.
        host_values["name"] = f"host-{number}.invalid"
    locations = _read_locations(own, location_tables, path, base, problems)
    host = msgspec.structs.replace(msgspec.convert(host_values, Host), locations=tuple(locations))
    problems += [Problem(key_path(path, "rate", key), text) for key, text in judge_rate(host.rate)]
    if (host.certificate is None) != (host.key is None):
        problems.append(Problem(path, 'needs both "certificate" and "key", or neither'))
    host = msgspec.structs.replace(
        host,
        name=_host_name(host.name, key_path(path, "name"), problems),
        aliases=tuple(_host_name(alias, key_path(path, "aliases"), problems) for alias in host.aliases),
    )
    placed = (
        msgspec.structs.replace(location, host=host.name, budgets=find_budgets(host, location))
        for location in host.locations
    )
    host = msgspec.structs.replace(host, locations=tuple(placed))
    if host.user_directories is not None:
        from gemd.config.people import place_people

        host = place_people(host)
    return absolute(host, base, "certificate", "key")


def _read_locations(
    own: Mapping[str, object], entries: Sequence[object], path: str, base: Path, problems: list[Problem]
) -> list[Location]:
    """Those of the host that is at this path and has these values of its `own`, the one with the path "/" first."""
    own_location = _make_location(own, own, path, base, problems)
    locations = [own_location]
    tables = [_read_location(entry, key_path(path, "location", i), problems) for i, entry in enumerate(entries, 1)]
    places = [(place_of(values), values) for values in tables]
    for i, (place, values) in enumerate(places, 1):
        where = key_path(path, "location", i)
        has_answer = has_own_answer(values)
        replaced = [answer for answer in AnswerKind if not is_inherited(answer, has_answer=has_answer)]
        inherited = {k: v for k, v in own.items() if not any(is_about(k, answer) for answer in replaced)}
        above = list_above(place, places)
        inherited |= _protection_above(above)
        inherited["titan"] = _find_uploads_above(values, own, above)
        location = _make_location({**inherited, **values}, values, where, base, problems)
        problems += [Problem(key_path(where, key), text) for key, text in judge_beside(location, values)]
        location = msgspec.structs.replace(location, errors=own_location.errors | location.errors)
        if "root" in values:
            location = msgspec.structs.replace(location, mount=location.names)
        if location.place == Placement(()) and locations[0] is own_location:
            locations[0] = location
        elif location.place in [known.place for known in locations]:
            problems.append(Problem(key_path(where, "path"), f"{location.path} is listed twice"))
        else:
            locations.append(location)
    if any(place.is_glob for place, _ in places):
        from gemd.config.glob_checks import find_unsaid

        said = {key_path(path, "location", i): values for i, values in enumerate(tables, 1)}
        problems += find_unsaid(locations, said, (*PROTECTING, "titan", "rate"))
    return locations


def _read_location(table: object, where: str, problems: list[Problem]) -> dict[str, object]:
    before = len(problems)
    values = read_table(table, LOCATION_KEYS, where, problems)
    if len(problems) == before and "path" not in values:
        problems.append(Problem(where, 'needs the key "path"'))
    return values


def _protection_above(above: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """What protects a location with these above it, as the nearest of them says."""
    found: dict[str, object] = {}
    for table in above:
        found |= {key: table[key] for key in PROTECTING if key in table}
    return found


def _find_uploads_above(
    values: Mapping[str, object], own: Mapping[str, object], above: Sequence[Mapping[str, object]]
) -> object:
    """Who may upload to the location with these values, where it does not say so itself. Who may goes with who answers,
    so that it is as its host and the locations above have it where all of them answer alike; but false is for all that
    is below."""
    has_own = has_own_answer(values)
    found = False if has_own else own.get("titan", False)
    for table in above:
        said = table.get("titan")
        if said is False or (said is not None and not has_own and not has_own_answer(table)):
            found = said
    return found


def is_about(key: str, answer: AnswerKind) -> bool:
    """Whether a key is this answer's alone: for an application `app` itself, `app-path` and the like."""
    return (
        key == answer.value or key.startswith(f"{answer.value}-") or (answer is AnswerKind.APP and key in _APPLICATIONS)
    )


def has_own_answer(values: Mapping[str, object]) -> bool:
    """Whether a location with these values says itself what it answers with, whatever it is asked."""
    return any(answer.value in values and not is_partial(values[answer.value]) for answer in AnswerKind)


def is_inherited(answer: AnswerKind, *, has_answer: bool) -> bool:
    """Whether a location has this answer of its host's, if it has one of its own or if not.

    A redirect or answer is for one path; files and scripts are for all that is below the root; anything else holds
    until there is something in its place.
    """
    if answer in (AnswerKind.REDIRECT, AnswerKind.ANSWER, AnswerKind.GONE):
        return False
    return answer in (AnswerKind.FILES, AnswerKind.CGI) or not has_answer


def _make_location(
    values: Mapping[str, object], own: Collection[str], where: str, base: Path, problems: list[Problem]
) -> Location:
    """The location that has these values. Only problems of its `own` keys are reported: the others are its host's."""
    location = Location(**{_FIELDS[key]: value for key, value in values.items()})  # type: ignore[arg-type]
    found = [Problem(key_path(where, key), text) for key, text in judge_location(location) if _first_of(key) in own]
    problems.extend(found)
    return msgspec.structs.replace(absolute_location(location, base), where=where)


def _first_of(path: str) -> str:
    """The key of a location in the path of one in its tables, as in "redirect[2].match"."""
    return path.partition(".")[0].partition("[")[0]


def _host_name(name: str, where: str, problems: list[Problem]) -> str:
    try:
        return normalise_name(name)
    except ValueError as error:
        problems.append(Problem(where, f"{show(name)} can't be a host: {error}"))
        return name
