"""Redirects to a path as it is rightly written, so that relative links hold in clients that take it as it was sent:
without dot segments, and with a slash behind a directory.

Rules: the query goes along; the target is on the same host, whatever the path begins with; it says what follows from
the URL alone, and never what is there.
"""

from gemd.config.host_settings import Location
from gemd.protocol.host import write_authority
from gemd.protocol.reference import add_query, encode_reference
from gemd.protocol.request import Request
from gemd.protocol.response import Response
from gemd.protocol.status import Status
from gemd.protocol.url import Url, encode_path
from gemd.responders.redirect import answer_move


def redirect_to_normal(request: Request, _location: Location) -> Response:
    """31 to the same path without dot segments. Raises NotFound (51) for one that fits no header."""
    url = request.url
    target = encode_reference(url.path)
    if target.startswith("//"):  # which by itself would name a host
        target = f"{url.scheme}://{write_authority(url.host, url.port)}{target}"
    return _redirect(url, target)


def redirect_to_directory(url: Url) -> Response:
    """31 to the same path with a slash; a path-absolute reference, which can't name another host. Raises NotFound (51)
    for one that fits no header."""
    return _redirect(url, encode_path(url.segments) + "/")


def _redirect(url: Url, target: str) -> Response:
    return answer_move(Status.REDIRECT_PERMANENT, add_query(target, url.query))
