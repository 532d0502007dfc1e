"""Zones for certificates that directories have in their files .molly.

Rule: they hold for paths, and only in the directory of the file; here all of that is protected.
"""

import os
from collections.abc import Iterator

import msgspec

from gemd.config.tables import key_path
from gemd.config.toml_lines import find_lines
from gemd.config.toml_text import parse_text
from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.areas import Area
from gemd.gemctl.foreign.molly_file import MollyBrown
from gemd.gemctl.foreign.original import Spot, read_original
from gemd.protocol.characters import escape

_FILE = ".molly"
_KEY = "certificatezones"
_MOST_DIRECTORIES = 20_000


class DirectoryZone(msgspec.Struct, frozen=True):
    """A directory that some alone may be in, with the place and line that say so, and why it is as it is."""

    area: Area
    fingerprints: tuple[object, ...]
    place: Spot
    line: str
    reason: str


def find_zones(molly: MollyBrown) -> Iterator[DirectoryZone]:
    """All of them, where files .molly are heeded and the root is here. Raises Failure for too many directories."""
    root = os.path.normpath(molly.text("DocBase") or ".")
    if not molly.values["ReadMollyFiles"]:
        return
    for directory in _find_directories(root):
        zone = _read_zone(os.path.join(directory, _FILE), _find_area(os.path.relpath(directory, root)))
        if zone is not None:
            yield zone


def _find_directories(root: str) -> list[str]:
    """The directories with such a file, in the order of their paths; each once, by whatever links."""
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for count, (directory, directories, files) in enumerate(os.walk(root, followlinks=True), 1):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        if (identity := _identify(directory)) in seen:
            directories.clear()
            continue
        seen.add(identity)
        if _FILE in files:
            found.append(directory)
        if count == _MOST_DIRECTORIES:
            text = f"has more than {_MOST_DIRECTORIES} directories, too many to look for {_FILE} in each"
            raise Failure(f"{escape(root)} {text}: import this where the root is not")
    return found


def _identify(directory: str) -> tuple[int, int]:
    try:
        status = os.stat(directory)
    except OSError:
        return 0, 0  # it went away, with what is below
    return status.st_dev, status.st_ino


def _find_area(relative: str) -> Area:
    """The directory, or the nearest one above with a name that can be written down."""
    names: list[str] = []
    for name in relative.split("/"):
        if name == "." or not name.isprintable():
            break
        names.append(name)
    return Area("/".join(("", *names, "")), "prefix", is_wider=True)


def _read_zone(file: str, area: Area) -> DirectoryZone | None:
    """What the file says of certificates, None if it says nothing of them."""
    place = Spot(escape(file))
    try:
        text = read_original(file, is_included=True)
        parsed = parse_text(text)
        if parsed.tables is None or parsed.problems:
            raise Failure(f"{place} is no TOML")
    except Failure as failure:
        reason = f"{failure}: so that nobody sees more than before, nobody may see {area.path}."
        return DirectoryZone(area, (), place, _FILE, reason)
    key = next((key for key in parsed.tables if key.lower() == _KEY), None)
    if key is None:
        return None
    number = find_lines(text).get(key_path("", key), 0)
    line = text.split("\n")[number - 1] if number else key
    reason = f"So that nobody sees more than before, all of {area.path} is for who may see each zone of this file."
    return DirectoryZone(area, _find_allowed(parsed.tables[key]), Spot(place.file, number), line, reason)


def _find_allowed(zones: object) -> tuple[object, ...]:
    """The fingerprints that are in each list of a table."""
    lists = list(zones.values()) if isinstance(zones, dict) else []
    if not lists or not all(isinstance(each, list) for each in lists):
        return ()
    return tuple(each for each in lists[0] if all(each in other for other in lists))
