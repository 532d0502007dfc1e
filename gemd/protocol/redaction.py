"""What people type, left out of a URL: it is input, an answer to a password prompt perhaps, and belongs in no log.

Rules: what is left out leaves a mark, so that a line still tells what kind of request it was; a URL that is none is
treated like one, for that a request was refused makes no password public.
"""

import functools
import re

from gemd.protocol.status import REDIRECTS

_MARK = "..."
# Of Titan, in the parameters behind the path; also where letters are percent-encoded, or the semicolon, by mistake.
_TOKEN = re.compile(
    r"((?:;|%3B)(?:t|%[57]4)(?:o|%[46]F)(?:k|%[46]B)(?:e|%[46]5)(?:n|%[46]E)(?:=|%3D))[^;?#]*", re.IGNORECASE
)
_PARAMETERS = re.compile(r"^([^;?#/]*titan:[^;?]*)(;[^?]*)", re.IGNORECASE)
_HARMLESS = re.compile(
    rf"(?:size=[0-9]*|mime=[\w.+-]+/[\w.+-]+(?:%3B[\w.=%-]*)?|edit|token={re.escape(_MARK)})", re.IGNORECASE | re.ASCII
)
_USER = re.compile(r"^([^/?#]*//)[^/?#]*@")  # user and password (RFC 3986, 3.2.1), which Gemini has not


@functools.lru_cache(maxsize=256)
def hide_input(url: str) -> str:
    """The URL with "?..." for its query, and without secrets."""
    path, mark, _ = url.partition("?")
    return hide_secrets(path) + mark + _MARK if mark else hide_secrets(url)


@functools.lru_cache(maxsize=256)
def hide_secrets(url: str) -> str:
    """The URL with its query, but without the token of an upload, and without a user's password."""
    if ";" in url or "%3" in url:
        url = _TOKEN.sub(rf"\1{_MARK}", url)
        url = _PARAMETERS.sub(_hide_parameters, url)
    return _USER.sub(rf"\1{_MARK}@", url) if "@" in url else url


def _hide_parameters(match: re.Match[str]) -> str:
    """Of an upload's parameters those that are known; what follows another one may go on with a token."""
    shown = match[1]
    for parameter in match[2][1:].split(";"):
        if not _HARMLESS.fullmatch(parameter):
            return f"{shown};{_MARK}"
        shown += ";" + parameter
    return shown


def hide_input_in_meta(status: int, meta: str) -> str:
    """What follows the status, likewise where that is the URL of a redirect; anything else is nobody's input."""
    return hide_input(meta) if status in REDIRECTS else meta


def hide_secrets_in_meta(status: int, meta: str) -> str:
    """The same with the query."""
    return hide_secrets(meta) if status in REDIRECTS else meta
