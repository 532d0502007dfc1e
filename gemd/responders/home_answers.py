"""What answers in users' directories: scripts and files, as in any location that has a root of its own.

Rule: all of them open by the rules for what is a user's own, and remember nothing by a name that users share.
"""

import os
from collections.abc import Callable

from gemd.config.host_settings import AnswerKind, Location
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.responders.attribution import NOWHERE
from gemd.responders.cgi.scripts import CGI
from gemd.responders.file_responders import FileResponders
from gemd.responders.hosts import Responder, ServedLocation
from gemd.responders.owned_files import HomeLocation, open_root_of_home


class HomeAnswers:
    """Those of a configuration. `scripts` and `files` open what is a user's own; `find` has the location of a
    request."""

    def __init__(self, scripts: CGI, files: FileResponders, find: Callable[[Request], ServedLocation]) -> None:
        self._scripts = scripts
        self._files = files
        self._find = find

    def of(self, home: HomeLocation, base: Location) -> tuple[Responder, ...]:
        """What is asked in a user's directory, which has the settings of the location `base`, in this order."""
        before: tuple[Responder, ...] = (self._run_script,) if AnswerKind.CGI in home.answers else ()

        def find(request: Request) -> ServedLocation:
            served = self._find(request)
            return ServedLocation(home, None, None, placed, files) if served.location is base else served

        files = self._files.of(home, find)
        answers = (*before, files)
        placed = tuple((answer, NOWHERE) for answer in answers)  # which are all counted as those of users' directories
        return answers

    def _run_script(self, request: Request, location: Location) -> Answer | None:
        os.close(open_root_of_home(location))  # which may be gone: that is nothing to be logged, as it is for a root
        return self._scripts(request, location)
