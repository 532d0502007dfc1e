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
from gemd.responders.refusals import open_root_of
from gemd.responders.static import Convert, StaticFiles
from gemd.system.places import Places


class FileResponders:
    """Those of a configuration; `plain` is the one of locations that have nothing of their own. `rules` are those of
    all hosts; `find` has the location of a request, and `open_root` opens the root of one."""

    def __init__(
        self,
        config: Config,
        mime_table: Mapping[str, str],
        protection: Protection,
        rules: Mapping[str, Sequence[Rule]],
        convert: Convert | None,
        find: Callable[[Request], ServedLocation],
        open_root: Callable[[Location], int] = open_root_of,
    ) -> None:
        limit = config.limits.listing
        self.plain: Responder = StaticFiles(mime_table, limit, protection, convert, rules, open_root)
        self._described = self.plain
        if any(location.meta_files for location in config.locations):
            from gemd.responders.described import DescribedFiles
            from gemd.responders.meta_files import MetaFiles

            meta_files = MetaFiles(config.locations, protection, open_root)
            self._described = DescribedFiles(meta_files, mime_table, limit, protection, convert, rules, open_root)
        self._find = find

    def of(self, location: Location, find: Callable[[Request], ServedLocation] | None = None) -> Responder:
        """The one of this location; longer addresses are those that `find` has, where it is given."""
        files = self._described if location.meta_files else self.plain
        if not location.extensions:
            return files
        from gemd.responders.trying import Trying

        return Trying(files, find or self._find)


def build_converters(config: Config, users: ScriptUsers, places: Places) -> Convert | None:
    """What makes pages of files, by programs that run as these users and have these places; None where nothing is
    converted."""
    if not any(find_converters(config)):
        return None
    from gemd.responders.convert.converters import Converters

    return Converters(config, users, places)
