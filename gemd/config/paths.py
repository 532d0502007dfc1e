"""Paths in a configuration, which are taken from the directory of the file that they are in.

Rule: a path stays the place that it names, whatever symbolic links are on the way.
"""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from gemd.config.convert_settings import move_programs
from gemd.config.host_settings import Location
from gemd.config.titan_settings import TitanSettings
from gemd.config.types import CAFile, Settings

S = TypeVar("S", bound=Settings)


def absolute(settings: S, base: Path, *fields: str) -> S:
    """The settings with these paths taken from `base` where they are relative."""
    paths = {name: getattr(settings, name) for name in fields}
    return msgspec.structs.replace(settings, **{name: join_path(base, path) for name, path in paths.items() if path})


def absolute_location(location: Location, base: Path) -> Location:
    """The location with all of its paths taken from `base`, those in its tables too."""
    fields = ("root", "app_path", "app_directory", "script", *(["log"] if isinstance(location.log, str) else []))
    location = absolute(location, base, *fields)
    rule, proxy, titan = location.client_certificate, location.proxy, location.titan
    if isinstance(rule, CAFile):
        rule = absolute(rule, base, "ca")
    if isinstance(titan, TitanSettings) and isinstance(titan.allow, CAFile):
        titan = msgspec.structs.replace(titan, allow=absolute(titan.allow, base, "ca"))
    if proxy is not None:
        proxy = absolute(proxy, base, "ca", "certificate", "key")
    convert = move_programs(location.convert, lambda path: join_path(base, path)) if location.convert else {}
    return msgspec.structs.replace(location, client_certificate=rule, proxy=proxy, titan=titan, convert=convert)


def join_path(base: Path, path: str) -> str:
    """`path` taken from `base` where it is relative, without dot segments where that leads to the same place: behind a
    symbolic link `..` is the parent of what it points to."""
    joined = str(base / path)
    shortest = os.path.normpath(joined)
    if shortest == joined or os.path.realpath(shortest) == os.path.realpath(joined):
        return shortest
    return joined
