"""What answers in users' directories: scripts and files, as in any location that has a root of its own.

Rule: all of them open by the rules for what is a user's own, and remember nothing by a name that users share.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.responders.cgi.scripts import CGI
from gemd.responders.described import DescribedFiles
from gemd.responders.hosts import Responder, ServedLocation
from gemd.responders.location_rules import Rule
from gemd.responders.meta_files import MetaFiles
from gemd.responders.owned_files import HomeLocation, OwnedFiles, open_root_of_home
from gemd.responders.static import Convert, StaticFiles
from gemd.responders.trying import Trying


class HomeAnswers:
    """Those of a configuration. `rules` are those of all hosts; `find` has the location of a request."""

    def __init__(
        self,
        config: Config,
        mime_table: Mapping[str, str],
        rules: Mapping[str, Sequence[Rule]],
        owned: OwnedFiles,
        scripts: CGI,
        convert: Convert | None,
        find: Callable[[Request], ServedLocation],
    ) -> None:
        limit = config.limits.listing
        self._scripts = scripts.beside(owned)
        self._plain: Responder = StaticFiles(mime_table, limit, owned, convert, rules, open_root_of_home)
        meta_files = MetaFiles((), owned, open_root_of_home)
        self._described = DescribedFiles(meta_files, mime_table, limit, owned, convert, rules, open_root_of_home)
        self._find = find

    def of(self, home: HomeLocation, base: Location) -> tuple[Responder, ...]:
        """What is asked in a user's directory, which has the settings of the location `base`, in this order."""
        files: Responder = self._described if home.meta_files else self._plain
        before: tuple[Responder, ...] = (self._run_script,) if AnswerKind.CGI in home.answers else ()
        if not home.extensions:
            return (*before, files)

        def find(request: Request) -> ServedLocation:
            served = self._find(request)
            return ServedLocation(home, None, None, (*before, files), files) if served.location is base else served

        return (*before, Trying(files, find))

    def _run_script(self, request: Request, location: Location) -> Answer | None:
        os.close(open_root_of_home(location))  # which may be gone: that is nothing to be logged, as it is for a root
        return self._scripts(request, location)
