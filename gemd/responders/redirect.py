"""Locations that have moved, are gone, or have one answer for all that is below."""

from gemd.config.answer_settings import Redirect
from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.reference import add_query
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, Response
from gemd.protocol.status import Status, asks_for_input
from gemd.protocol.url import encode_path


def gone(_request: Request, _location: Location) -> Response:
    """Raises GeminiError (52) for all that is below the location."""
    raise GeminiError("Gone for good", Status.GONE)


def give_answer(request: Request, location: Location) -> Response | None:
    """The location's `answer`. Where that asks for input, what was typed is for whoever is asked next."""
    answer = location.answer
    assert answer is not None
    if asks_for_input(answer.status) and request.url.query is not None:
        return None
    return Response(answer.status, answer.meta)


def redirect(request: Request, location: Location) -> Response:
    """30 or 31, as the location's `redirect` has it."""
    assert isinstance(location.redirect, Redirect)
    return move_all(request, location, location.redirect)


def move_all(request: Request, location: Location, redirect: Redirect) -> Response:
    """30 or 31, where everything below the location has gone.

    A path that ends with a slash stands for a directory: what follows the location's path, and the query,
    go on below it. Any other target is the whole answer.
    """
    target = redirect.to
    if target.endswith("/") and "?" not in target:
        rest = request.url.names_below(len(location.names))
        if rest:
            target += encode_path(rest)[1:] + ("/" if request.url.is_directory else "")
        target = add_query(target, request.url.query)
    return answer_move(redirect.status, target)


def answer_move(status: int, target: str) -> Response:
    """The redirect to a target. Raises NotFound (51) for one that is too long for a header."""
    if len(target) > MAX_META:
        raise NotFound
    return Response(status, target)
