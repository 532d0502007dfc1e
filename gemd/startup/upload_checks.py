"""Locations that take uploads, beside this machine: what they could not keep, and whom they let in (-t).

Rule: what may be otherwise later, or is meant, is a warning and no fault; each is said once.
"""

import os
from collections.abc import Iterator, Mapping

from gemd.config import Config, Problem
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_places import EVERYWHERE, list_entries
from gemd.config.tables import key_path
from gemd.config.titan_settings import TitanSettings
from gemd.config.upload_locations import find_tables, find_uploads, is_for_files
from gemd.protocol.mime import guess_type
from gemd.startup.private_files import script_directories
from gemd.startup.upload_spool import find_worker
from gemd.system.attempt import attempt
from gemd.system.confinement import is_beneath
from gemd.system.mime_table import load_mime_table
from gemd.system.permissions import why_not_changed
from gemd.system.privileges import Identity

_PAGE = "page.gmi"


def find_upload_warnings(config: Config) -> Iterator[Problem]:
    """All of them. Raises PrivilegeError for a user that there is not."""
    user, mime_table = find_worker(config), load_mime_table()
    for where, location, titan in find_tables(config):
        yield from _judge_public(where, titan, is_counted=bool(location.budgets) or config.budget is not None)
        if is_for_files(location):
            yield from _judge_types(where, location, titan, mime_table)
    directories: set[str] = set()
    for where, location, titan in find_uploads(config):
        place = os.path.join(str(location.root), *location.names[len(location.mount) :])
        if not is_for_files(location) or location.match == "glob":  # which directories these are is not known
            continue
        with attempt(f"the directory {place} for uploads could not be looked at"):
            directory = os.path.dirname(place) if _is_page(location, place) else place
            if directory not in directories and not _is_place_of_own_scripts(location, directory):
                directories.add(directory)
                yield from _judge_directory(where, directory, titan, user)
                yield from _judge_scripts(where, location, directory, config)


def _is_page(location: Location, place: str) -> bool:
    """Whether a location is for one file, by what is there, or else by its name."""
    if location.path.endswith("/"):
        return False
    return os.path.isfile(place) or ("." in os.path.basename(place) and not os.path.lexists(place))


def _judge_public(where: str, titan: TitanSettings, *, is_counted: bool) -> Iterator[Problem]:
    if titan.public:
        whoever = "anybody who knows a token" if titan.tokens else "anybody"
        guesses = "; nobody counts who guesses at it: set rate" if titan.tokens and not is_counted else ""
        yield Problem(key_path(where, "public"), f"{whoever} may write here, without a certificate{guesses}")


def _judge_types(
    where: str, location: Location, titan: TitanSettings, mime_table: Mapping[str, str]
) -> Iterator[Problem]:
    """What is uploaded has the type by which it is sent later, and that goes by its name."""
    key = key_path(where, "types")
    known = [*mime_table.values(), *location.mime.values()]
    for entry in titan.types:
        if not any(map(TitanSettings(types=(entry,)).allows_type, known)):
            yield Problem(key, f"no name of a file has the type {entry}, see mime: nothing of it can be uploaded")
    page = guess_type(_PAGE, location.mime, mime_table)
    if not titan.allows_type(page) and any(entry.startswith("text/") for entry in titan.types):
        yield Problem(key, f"pages (.gmi) can't be uploaded: they are {page}")


def _judge_directory(where: str, directory: str, titan: TitanSettings, user: Identity | None) -> Iterator[Problem]:
    present = directory
    while titan.mkdir and not os.path.exists(present) and present != os.path.dirname(present):
        present = os.path.dirname(present)
    reason = why_not_changed(present, user)
    if reason is not None:
        yield Problem(where, f"nothing can be uploaded: {present} {reason}")


def _is_place_of_own_scripts(location: Location, directory: str) -> bool:
    """Whether only the location's own scripts take what is uploaded there."""
    if AnswerKind.CGI not in location.answers:
        return False
    names = tuple(name for name in os.path.relpath(directory, str(location.root)).split("/") if name != ".")
    return location.script_places.find_depth(names) is not None


def _judge_scripts(where: str, location: Location, directory: str, config: Config) -> Iterator[Problem]:
    """Places of scripts of any host that lie there, or where this lies, and that no upload may touch."""
    here = os.path.realpath(directory)
    for place in dict.fromkeys(script_directories(config)):
        there = os.path.realpath(place)
        if here == there and EVERYWHERE in list_entries(location.cgi):
            yield Problem(where, f"what is executable in {directory} is run: no script can be uploaded, nor changed")
        elif is_beneath(here, there):
            yield Problem(where, f"no file can be uploaded: scripts are run from {place}")
        elif is_beneath(there, here):
            yield Problem(where, f"no file can be uploaded to {place}: scripts are run from there")
