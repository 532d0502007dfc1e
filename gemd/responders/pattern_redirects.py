"""Redirects by patterns: what one matches leads elsewhere, anything else is for whoever is asked next."""

from gemd.config.answer_settings import Redirect, list_redirects
from gemd.config.host_settings import Location
from gemd.config.settings import Config
from gemd.protocol.path_pattern import PathPattern, PathTemplate
from gemd.protocol.request import Request
from gemd.protocol.response import Response
from gemd.responders.redirect import answer_move, move_all

_Move = tuple[Redirect, PathPattern, PathTemplate] | tuple[Redirect, None, None]


class PatternRedirects:
    """The redirects of all locations of a configuration, by the places of their tables in it."""

    def __init__(self, config: Config) -> None:
        self._moves = {
            location.where: tuple(map(_compile, list_redirects(location.redirect)))
            for location in config.locations
            if location.redirect is not None
        }

    def __call__(self, request: Request, location: Location) -> Response | None:
        """30 or 31 by the first one that matches. Raises NotFound (51) for a target that gets too long."""
        for redirect, pattern, target in self._moves[location.where]:
            if pattern is None or target is None:
                return move_all(request, location, redirect)
            found = pattern.find(request.url)
            if found is not None:
                return answer_move(redirect.status, target.fill(found, request.url))
        return None


def _compile(redirect: Redirect) -> _Move:
    if redirect.match is None:
        return redirect, None, None
    pattern = PathPattern(redirect.match)
    return redirect, pattern, PathTemplate(redirect.to, pattern)
