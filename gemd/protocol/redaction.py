"""What people type, left out of a URL: it is input, an answer to a password prompt perhaps, and belongs in no log.

Rules: what is left out leaves a mark, so that a line still tells what kind of request it was; a URL that is none is
treated like one, for that a request was refused makes no password public.
"""

import functools
import re

from gemd.protocol.status import REDIRECTS

_MARK = "..."
_TOKEN = re.compile(r"(;token=)[^;?#]*", re.IGNORECASE)  # of Titan, in the parameters behind the path
_USER = re.compile(r"^([^/?#]*//)[^/?#]*@")  # user and password (RFC 3986, 3.2.1), which Gemini has not


@functools.lru_cache(maxsize=256)
def hide_input(url: str) -> str:
    """The URL with "?..." for its query, and without secrets."""
    path, mark, _ = url.partition("?")
    return hide_secrets(path) + mark + _MARK if mark else hide_secrets(url)


@functools.lru_cache(maxsize=256)
def hide_secrets(url: str) -> str:
    """The URL with its query, but without the token of an upload, and without a user's password."""
    if ";" in url:
        url = _TOKEN.sub(rf"\1{_MARK}", url)
    return _USER.sub(rf"\1{_MARK}@", url) if "@" in url else url


def hide_input_in_meta(status: int, meta: str) -> str:
    """What follows the status, likewise where that is the URL of a redirect; anything else is nobody's input."""
    return hide_input(meta) if status in REDIRECTS else meta


def hide_secrets_in_meta(status: int, meta: str) -> str:
    """The same with the query."""
    return hide_secrets(meta) if status in REDIRECTS else meta
