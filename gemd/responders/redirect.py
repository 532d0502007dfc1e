"""Locations that have moved, or are gone."""

from gemd.config.settings import Location
from gemd.protocol.errors import NotFound
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, Response
from gemd.protocol.status import Status
from gemd.protocol.url import encode_path


def redirect(request: Request, location: Location) -> Response | None:
    """30 or 31 where the location has a `redirect`, 52 where it is `gone`.

    A target that ends with a slash stands for a directory: what follows the location's path, and the query,
    go on below it. Any other target is the whole answer.
    """
    if location.gone:
        return Response(Status.GONE, "Gone for good")
    if location.redirect is None:
        return None
    target = location.redirect.to
    if target.endswith("/"):
        rest = request.url.names[len(location.names) :]
        if rest:
            target += encode_path(rest)[1:] + ("/" if request.url.is_directory else "")
        if request.url.query is not None:
            target += "?" + request.url.query
    if len(target.encode()) > MAX_META:
        raise NotFound
    return Response(location.redirect.status, target)
