"""The dialect "http": the header of a program that was written for the web, as one of Gemini.

Rule: a redirect to where the program believes itself to be, by http or https, is one to here.
"""

import re
from collections.abc import Collection
from functools import partial

from gemd.protocol.host import place, write_authority
from gemd.protocol.http_header import find_http_end, read_http_header, translate_answer
from gemd.protocol.reference import clean_meta
from gemd.protocol.request import Request
from gemd.protocol.status import is_redirect
from gemd.responders.cgi.header import FindHeader, Header, find_header, quote
from gemd.system.script_output import ScriptError

_WEB = re.compile(r"https?:(//(?P<authority>[^/?#]*).*)", re.IGNORECASE)
_GEMINI = re.compile(rb"[1-6][0-9](?: |\r?\n)")


def choose_header(dialect: str, request: Request, failure: int) -> FindHeader:
    """What finds the header of an answer to `request`; `failure` is the status for a program that itself has failed,
    where it can say so."""
    if dialect != "http":
        return find_header
    url, peer = request.url, request.peer
    own = {
        write_authority(url.host, url.port),
        place(url.host, peer.local_port),
    }  # as HTTP_HOST has it, and SERVER_PORT
    is_known = peer.tls.client_certificate is not None
    return partial(_find_http_header, own=own, failure=failure, is_known=is_known)


def _find_http_header(output: bytes, *, own: Collection[str], failure: int, is_known: bool) -> Header | None:
    """As `find_header`, for the header of a program that believes itself to be at one of the authorities `own`."""
    if _GEMINI.match(output):  # which need never have an empty line
        raise ScriptError(f"has to begin with fields of HTTP, not {quote(output)}, which is a header of Gemini")
    try:
        end = find_http_end(output)
        if end is None:
            return None
        status, meta = translate_answer(read_http_header(output[:end]), failure=failure, is_known=is_known)
        if is_redirect(status):
            meta = _lead_here(meta, own)
        meta = clean_meta(status, meta)
    except ValueError as error:
        raise ScriptError(f"has a bad header {quote(output)}: {error}") from None
    return status, meta, output[end:]


def _lead_here(target: str, own: Collection[str]) -> str:
    """A URL of the web that names this place, as one of Gemini."""
    match = _WEB.fullmatch(target)
    return f"gemini:{match[1]}" if match is not None and match["authority"].lower() in own else target
