"""Which locations have converters, and whose programs these are."""

from collections.abc import Iterator

from gemd.config.convert_settings import CONVERT_KEY, Converter, complete
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.config.tables import key_path


def find_converters(config: Config) -> Iterator[tuple[str, Location, Converter]]:
    """The converters of locations with files, each with its key's path in the configuration."""
    for location in config.locations:
        if location.convert and (location.people is not None or AnswerKind.FILES in location.answers):
            for extension, entry in location.convert.items():
                yield key_path(location.where, CONVERT_KEY, extension), location, complete(entry)
