"""Who answers for files in which location: by what the location has, and at the cost of that alone.

Rule: what only some configurations need is loaded where one needs it.
"""

from collections.abc import Callable, Mapping, Sequence

from gemd.config.convert_locations import find_converters
from gemd.config.host_settings import Location
from gemd.config.settings import Config
from gemd.protocol.request import Request
from gemd.responders.cgi.scripts import ScriptUsers
from gemd.responders.hosts import Responder, ServedLocation
from gemd.responders.location_rules import Rule
from gemd.responders.protection import Protection
from gemd.responders.static import Convert, StaticFiles
from gemd.system.places import Places


class FileResponders:
    """Those of a configuration; `plain` is the one of locations that have nothing of their own, and `convert` what they
    have of converters. Programs run as these `users` and have these `places`. `rules` are those of all hosts; `find`
    has the location of a request."""

    def __init__(
        self,
        config: Config,
        mime_table: Mapping[str, str],
        protection: Protection,
        rules: Mapping[str, Sequence[Rule]],
        users: ScriptUsers,
        places: Places,
        find: Callable[[Request], ServedLocation],
    ) -> None:
        locations = config.locations
        self.convert = _build_converters(config, users, places)
        self.plain: Responder = StaticFiles(mime_table, config.limits.listing, protection, self.convert, rules)
        self._described = self.plain
        if any(location.meta_files for location in locations):
            from gemd.responders.described import DescribedFiles
            from gemd.responders.meta_files import MetaFiles

            meta_files, limit = MetaFiles(locations, protection), config.limits.listing
            self._described = DescribedFiles(meta_files, mime_table, limit, protection, self.convert, rules)
        self._find = find

    def of(self, location: Location) -> Responder:
        """The one of this location."""
        files = self._described if location.meta_files else self.plain
        if not location.extensions:
            return files
        from gemd.responders.trying import Trying

        return Trying(files, self._find)


def _build_converters(config: Config, users: ScriptUsers, places: Places) -> Convert | None:
    if not any(find_converters(config)):
        return None
    from gemd.responders.convert.converters import Converters

    return Converters(config, users, places)
