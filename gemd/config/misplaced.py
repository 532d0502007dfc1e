"""Keys that are in the wrong table, and where they belong: in TOML whatever stands below a heading is in its table."""

import msgspec

from gemd.config.hosts import HOST_KEYS, LOCATION_KEYS
from gemd.config.keys import TOP_KEYS
from gemd.config.tables import Problem


def tell_place(problem: Problem) -> Problem:
    """The problem, with the place of its key where that is unknown to its table and known to another one."""
    place = _find_place(problem.unknown) if problem.unknown is not None else None
    return problem if place is None else msgspec.structs.replace(problem, text=f"there is no such key here; {place}")


def _find_place(key: str) -> str | None:
    if key in TOP_KEYS:
        return "it is one of the top: put it before the first heading in brackets"
    if key in HOST_KEYS:
        return "it is one of a host: put it below [[host]], and before [[host.location]]"
    return "it is one of a location: put it below [[host.location]]" if key in LOCATION_KEYS else None
