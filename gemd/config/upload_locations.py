"""Which locations take uploads, and what may become of these there."""

import os
from collections.abc import Iterator

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_places import split_pattern
from gemd.config.settings import Config
from gemd.config.tables import key_path
from gemd.config.titan_settings import TitanSettings

UPLOAD_KEY = "titan"
_WITH_FILES = ((AnswerKind.FILES,), (AnswerKind.CGI, AnswerKind.FILES))  # what answers all of a location is asked first


def find_uploads(config: Config) -> Iterator[tuple[str, Location, TitanSettings]]:
    """The locations that take uploads, each with its key's path in the configuration."""
    for location in config.locations:
        if isinstance(location.titan, TitanSettings):
            yield key_path(location.where, UPLOAD_KEY), location, location.titan


def find_tables(config: Config) -> Iterator[tuple[str, Location, TitanSettings]]:
    """The same, without those that have their table from a location above them, or one that is equal."""
    found = [(location, titan) for _, location, titan in find_uploads(config) if location.match == "prefix"]
    tables = {(location.host, location.names): titan for location, titan in found}
    for where, location, titan in find_uploads(config):
        above = (location.names[:depth] for depth in range(len(location.names)))
        if all(tables.get((location.host, names)) != titan for names in above):
            yield where, location, titan


def list_takers(location: Location) -> tuple[AnswerKind, ...]:
    """Who of those that a location answers with is asked for uploads: not what answers some requests beforehand."""
    return tuple(answer for answer in location.answers if answer not in (AnswerKind.ANSWER, AnswerKind.REDIRECT))


def is_for_files(location: Location) -> bool:
    """Whether what is uploaded here may become a file."""
    return location.titan is not False and list_takers(location) in _WITH_FILES


def find_upload_directories(config: Config) -> Iterator[str]:
    """Where what is uploaded becomes files, or below. None of it need exist."""
    for _, location, _ in find_uploads(config):
        if is_for_files(location):
            names = location.names[len(location.mount) :]
            yield os.path.join(str(location.root), *(split_pattern(names)[0] if location.match == "glob" else names))


def is_for_program(location: Location) -> bool:
    """Whether a program may take what is uploaded here."""
    return location.titan is not False and list_takers(location) != (AnswerKind.FILES,)


def takes_uploads(config: Config) -> bool:
    """Whether any location does."""
    return any(True for _ in find_uploads(config))
