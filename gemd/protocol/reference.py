"""Where a redirect leads, whoever says it: a reference to a URL (RFC 3986, 4.1).

Rules: what has one reading is sent as that, percent-encoded where other servers send it as it is; what has none, or
two, is refused. What is sent is ASCII without blanks, and to encode it twice changes nothing.
"""

import re
from urllib.parse import quote

from gemd.protocol.characters import fits_header
from gemd.protocol.host import normalise_host
from gemd.protocol.response import MAX_META, encode_header
from gemd.protocol.status import is_redirect

_REFERENCE = re.compile(
    r"""(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?
        (?P<slashes>//(?P<authority>[^/?#]*))?
        (?P<path>[^?#]*)
        (?P<query>\?[^#]*)?
        (?P<fragment>\#[^#]*)?""",
    re.VERBOSE,
)
_AUTHORITY = re.compile(r"(?P<user>[^@\[\]]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]*)(?P<port>:(?:[1-9][0-9]{0,4})?)?")
_SAFE = "%/?#:@!$&'()*+,;=~"  # octets that stay, beside letters, digits and "-._"
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_NEED_HOST = frozenset({"gemini", "titan"})
_HIGHEST_PORT = 65535


def encode_reference(text: str) -> str:
    """A reference, or a part of one, with what no URL has percent-encoded, and what is encoded already as it is."""
    return _LONE_PERCENT.sub("%25", quote(text, safe=_SAFE))


def clean_target(target: str) -> str:
    """A redirect's target as it is sent; an empty one is the same page. Raises ValueError for what is no reference."""
    if " " in target:
        raise ValueError("a URL has no blank: it would be %20")
    if not fits_header(target):
        raise ValueError("a URL has no control character")
    match = _REFERENCE.fullmatch(target)
    if match is None:
        raise ValueError("a URL has one fragment at most: another # would be %23")
    scheme, authority, path = match["scheme"], match["authority"], match["path"]
    if scheme is None and authority is None and ":" in path.partition("/")[0]:
        raise ValueError("what is in front of its colon is no scheme: in a path, ./ would be in front of that")
    if not authority and ((scheme or "").lower() in _NEED_HOST or (scheme is None and authority is not None)):
        raise ValueError("the URL needs a host name")
    front = f"{scheme}:" if scheme is not None else ""
    if authority is not None:
        front += f"//{_clean_authority(authority)}"
    cleaned = front + "".join(encode_reference(match[part] or "") for part in ("path", "query", "fragment"))
    if len(cleaned) > MAX_META:
        raise ValueError(f"{len(cleaned)} bytes as a URL is encoded, at most {MAX_META} are allowed")
    return cleaned


def check_target(target: str) -> None:
    """Raise ValueError for a target that an operator has written, if it would not be sent as it stands."""
    if "#" in target or clean_target(target) != target:
        raise ValueError("expected a percent-encoded URL or path, without a fragment")


def add_query(target: str, query: str | None) -> str:
    """A target with the query of a request, if that had one."""
    return target if query is None else f"{target}?{encode_reference(query)}"


def _clean_authority(authority: str) -> str:
    """A name in its A-label form if it is not ASCII. Raises ValueError."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None or int((match["port"] or "")[1:] or "1") > _HIGHEST_PORT:
        raise ValueError("behind // is no host, or none with a port from 1 to 65535")
    user, host, port = match["user"] or "", match["host"], match["port"] or ""
    if host.startswith("[") or not host.isascii():
        try:
            normal = normalise_host(host)
        except ValueError as error:
            raise ValueError(f"its host is none: {error}") from None
        host = host if host.startswith("[") else normal
    elif encode_reference(host) != host:
        raise ValueError("its host is none: it has a character that no name has")
    return encode_reference(user) + host + port


def clean_meta(status: int, meta: str) -> str:
    """What a program has said behind the status, as it is sent. Raises ValueError for what may not be."""
    encode_header(status, meta)
    return clean_target(meta) if is_redirect(status) else meta
