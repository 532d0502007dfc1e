"""Lists of networks that may come and that may not: what is wrong with them, and what has no effect.

Rules: what is no network, or is listed twice, is an error; what others say already is worth a warning, as lists that
are made by programs may have some of it.
"""

from collections.abc import Iterator

from gemd.config.settings import Config
from gemd.config.tables import Problem, key_path, show
from gemd.config.types import AccessList
from gemd.protocol.networks import Network, Networks, parse_network

_MOST_IDLE = 10  # entries of a list that are named


def judge_access(access: AccessList) -> Iterator[tuple[str, str]]:
    """What is wrong with a list, by key."""
    seen: dict[Network, str] = {}
    for key, text in _entries(access):
        try:
            network = parse_network(text)
        except ValueError as error:
            yield key, f"{error}, not {show(text)}"
            continue
        if network in seen:
            yield key, f"{network} is listed twice: here and at {seen[network]}"
        seen.setdefault(network, key)


def judge_location_access(access: AccessList) -> Iterator[tuple[str, str]]:
    """The same of a host's or location's, where a list without an entry can't be meant."""
    if access.allow is None and not access.deny:
        yield "", 'needs allow or deny, or "any" in place of the table for everybody'
    yield from judge_access(access)


def find_idle_entries(config: Config) -> Iterator[Problem]:
    """What has no effect in any list, at most some entries of each."""
    lists = [("access", config.access)]
    for location in config.locations:
        if location.access != "any" and not any(location.access is known for _, known in lists):
            lists.append((key_path(location.where, "access"), location.access))
    for where, access in lists:
        idle = list(_find_idle(access))
        for key, text in idle[:_MOST_IDLE]:
            yield Problem(key_path(where, key), text)
        if len(idle) > _MOST_IDLE:
            yield Problem(where, f"{len(idle) - _MOST_IDLE} more have no effect")


def _find_idle(access: AccessList) -> Iterator[tuple[str, str]]:
    """Entries that say what holds without them, as the next wider network or the end of the list has it."""
    entries = [(key, parse_network(text)) for key, text in _entries(access)]
    networks = Networks({network: (network, key) for key, network in entries})
    for key, network in entries:
        is_allowed = key.startswith("allow")
        wider = networks.find_around(network, is_wider=True)
        if wider is None and not is_allowed and access.allow is not None:
            yield key, f"{network} has no effect: whom allow does not have may not come anyway"
        elif wider is not None and wider[1].startswith("allow") == is_allowed:
            yield key, f"{network} has no effect: it is in {wider[0]} ({wider[1]})"


def _entries(access: AccessList) -> Iterator[tuple[str, str]]:
    """All of them, with their keys."""
    for name, texts in (("allow", access.allow or ()), ("deny", access.deny)):
        for i, text in enumerate(texts, 1):
            yield key_path(name, i), text
