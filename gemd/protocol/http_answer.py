"""What an answer of HTTP is in Gemini: its status, and the fields that become a META (RFC 9110).

Rules: what has no counterpart is a failure; what a field says is passed on only where it fits a header.
"""

import re
from http import HTTPStatus
from urllib.parse import quote

from gemd.protocol.mime import UNKNOWN, is_media_type
from gemd.protocol.response import MAX_META
from gemd.protocol.status import Status

DEFAULT_WAIT = "60"  # seconds, where an answer says to come later and not when

_PARTIAL_CONTENT = 206  # which nobody has asked for
_COUNTERPARTS = {
    301: Status.REDIRECT_PERMANENT,
    302: Status.REDIRECT_TEMPORARY,
    303: Status.REDIRECT_TEMPORARY,
    307: Status.REDIRECT_TEMPORARY,
    308: Status.REDIRECT_PERMANENT,
    404: Status.NOT_FOUND,
    410: Status.GONE,
    429: Status.SLOW_DOWN,
}
_WAIT = re.compile(r"[0-9]{1,9}")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_URL_CHARACTERS = "%/?#:@!$&'()*+,;=~[]"  # that stay, beside letters, digits and "-._"


def translate_status(code: int, failure: int) -> int:
    """The status of Gemini; `failure` where HTTP's has no counterpart, as 304 and all of 5xx."""
    if code in _COUNTERPARTS:
        return _COUNTERPARTS[code]
    if 200 <= code < 300 and code != _PARTIAL_CONTENT:
        return Status.SUCCESS
    return Status.PERMANENT_FAILURE if 400 <= code < 500 else failure


def translate_type(content_type: str) -> str:
    """The META of a success by Content-Type. Raises ValueError for what is no media type, or too long."""
    if not content_type:
        return UNKNOWN
    media_type = content_type.replace("\t", " ")
    if not media_type.isascii() or not is_media_type(media_type) or len(media_type) > MAX_META:
        raise ValueError("is no media type")
    return media_type


def translate_wait(retry_after: str) -> str:
    """The seconds to wait by Retry-After, at least one; it may be a date as well."""
    return str(max(1, int(retry_after))) if _WAIT.fullmatch(retry_after) else DEFAULT_WAIT


def name_status(code: int) -> str:
    """What the texts of HTTP call a status."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return f"Status {code} of HTTP"


def clean_reference(location: bytes) -> str:
    """The URL, or part of one, in Location; octets that no URL has are percent-encoded. Raises ValueError for one that
    fits no header."""
    if not location or _CONTROL.search(location.decode("latin-1")):
        raise ValueError("is empty or has a control character")
    return quote(location, safe=_URL_CHARACTERS)
