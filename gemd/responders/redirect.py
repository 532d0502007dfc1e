"""Locations that are gone, or have moved."""

from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, Response
from gemd.protocol.status import Status
from gemd.protocol.url import encode_path


def gone(_request: Request, _location: Location) -> Response:
    """Raises GeminiError (52) for all that is below the location."""
    raise GeminiError("Gone for good", Status.GONE)


def redirect(request: Request, location: Location) -> Response:
    """30 or 31, as the location's `redirect` has it.

    A target that ends with a slash stands for a directory: what follows the location's path, and the query,
    go on below it. Any other target is the whole answer.
    """
    assert location.redirect is not None
    target = location.redirect.to
    if target.endswith("/"):
        rest = request.url.names_below(len(location.names))
        if rest:
            target += encode_path(rest)[1:] + ("/" if request.url.is_directory else "")
        if request.url.query is not None:
            target += "?" + request.url.query
    if len(target.encode()) > MAX_META:
        raise NotFound
    return Response(location.redirect.status, target)
