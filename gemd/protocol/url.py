"""URLs as a Gemini server meets them (RFC 3986; Gemini specification 0.24.1, "Requests").

Rules: octets are checked before anything is split; the path is split before it is decoded, and each segment is decoded
exactly once; what can't be told for sure is refused, never repaired.
"""

import functools
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes, urljoin

import msgspec
from msgspec.structs import force_setattr

from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import BadRequest, NotFound
from gemd.protocol.host import decode_host, normalise_host

DEFAULT_PORT = 1965
TITAN = "titan"  # the scheme of uploads

# RFC 3986 appendix B, with the scheme and "//" demanded and the path's slash kept apart from the authority.
_URI = re.compile(
    r"""(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):
        (?://(?P<authority>[^/?#]*))?
        (?P<path>[^?#]*)
        (?:\?(?P<query>[^#]*))?
        (?P<fragment>\#.*)?""",
    re.VERBOSE,
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]*))?")
_FORBIDDEN_OCTET = re.compile(rb"[\x00-\x20\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DROPPED = re.compile(r"^[\x00-\x20]|[\t\n\r]")  # by `urljoin`, which would make another URL of it
_OWN_SCHEMES = frozenset({"gemini", TITAN})
_MAX_PORT_DIGITS = 5
_DOTS = frozenset({".", ".."})
_ENCODED_DOT = re.compile("%2[Ee]")
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class Url(msgspec.Struct, frozen=True):
    """An absolute URL, taken apart and normalised.

    `text` is what was sent. `host` is in lower case, in its A-label form, without brackets or a trailing
    dot, and "" when the URL has no authority. `path` has its dot segments resolved and is still
    percent-encoded; `segments` are its decoded parts: "/a//b/" gives ("a", "", "b", ""). Octets that are not
    UTF-8 appear as lone surrogates (PEP 383), as in file names. `query` is raw, None without a "?". `parameters` are
    raw too, and those of an upload by Titan alone: what follows the first semicolon of the path, which ends there.
    `had_dot_segments` is whether the path was sent with some. `fault` is what is wrong with a URL of a foreign scheme,
    of which nothing else is known then: a client is told so by who answers for that scheme, if anybody does.

    What follows from these: `is_directory`, whether the path ends with a slash; `names`, the segments that name
    something, without the empty ones, which mean nothing to a file system; and `rule_names`, the names as rules go by
    them: an encoded slash divides like any other, as it may for whoever answers.
    """

    text: str
    scheme: str
    host: str
    port: int | None
    path: str
    segments: tuple[str, ...]
    query: str | None
    parameters: str = ""
    had_dot_segments: bool = False
    fault: str = ""
    is_directory: bool = False
    names: tuple[str, ...] = ()
    rule_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = tuple(filter(None, self.segments))
        rule_names = names
        if "%2" in self.path:
            rule_names = tuple(part for name in names for part in name.split("/") if part)
        force_setattr(self, "is_directory", self.segments[-1] == "")
        force_setattr(self, "names", names)
        force_setattr(self, "rule_names", rule_names)

    def names_below(self, depth: int) -> tuple[str, ...]:
        """The names that follow the first `depth` of `rule_names`, their encoded slashes still within them."""
        rest: list[str] = []
        for name in self.names:
            parts = [part for part in name.split("/") if part]
            if not depth:
                rest.append(name)
            elif len(parts) > depth:
                rest.append("/".join(parts[depth:]))
            depth = max(0, depth - len(parts))
        return tuple(rest)


def check_octets(raw: bytes) -> None:
    """Raise BadRequest (59) for an octet that no URL holds, wherever it stands (RFC 3986, 2)."""
    if _FORBIDDEN_OCTET.search(raw):
        raise BadRequest("The URL has a blank or a control character; percent-encode it")


@functools.lru_cache(maxsize=256)
def parse_url(raw: bytes) -> Url:
    """Parse the absolute URL `raw`, without its CRLF. Raises BadRequest (59) for anything else.

    The same octets are always the same URL, so that those of the last ones are remembered.
    """
    check_octets(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("The URL is not UTF-8") from None
    if not raw.isascii() and is_misleading(text):
        raise BadRequest("The URL has a control character")
    match = _URI.fullmatch(text)
    if match is None:
        raise BadRequest("Not an absolute URL: it has to begin with a scheme, as in gemini://")
    scheme = match["scheme"].lower()
    try:
        return _take_apart(match, scheme)
    except BadRequest as error:
        if scheme in _OWN_SCHEMES:
            raise
        return Url(text, scheme, "", None, "/", ("",), None, fault=error.meta)


def _take_apart(match: re.Match[str], scheme: str) -> Url:
    """Raises BadRequest."""
    _, authority, sent_path, query, fragment = match.groups()
    if fragment is not None:
        raise BadRequest("A request has no fragment")
    host, port = ("", None) if authority is None else _split_authority(authority)
    if authority is None and not sent_path.startswith("/"):
        sent_path = "/"  # mailto:someone and the like: there is no path to look at, whatever answers it
    parameters = ""
    if scheme == TITAN:
        sent_path, _, parameters = sent_path.partition(";")
        if _decode_path("/" + parameters)[0] != "/" + parameters:
            raise BadRequest("The parameters have a dot segment")
    sent_path = sent_path or "/"
    path, segments = _decode_path(sent_path)
    had_dots = path is not sent_path
    return Url(match[0], scheme, host, port, path, segments, query, parameters, had_dots)


def _split_authority(authority: str) -> tuple[str, int | None]:
    """Host and port of RFC 3986, 3.2; userinfo is refused, as the specification demands."""
    if "@" in authority:
        raise BadRequest("A request has no user information")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise BadRequest("The URL needs a host name, and a port in digits if any")
    digits = match["port"]
    port = int(digits) if digits and len(digits) <= _MAX_PORT_DIGITS else None
    if digits and (port is None or not 0 < port < 65536):
        raise BadRequest("No such port: a port has at most five digits, and is from 1 to 65535")
    try:
        return normalise_host(decode_host(match["host"])), port
    except ValueError:
        raise BadRequest("Not a host name") from None


def _decode_path(path: str) -> tuple[str, tuple[str, ...]]:
    """The path without dot segments, and its decoded segments."""
    if "/." in path or "/%2" in path:
        path = remove_dot_segments(path)
    parts = path[1:].split("/")
    if "%" in path:
        if _BROKEN_ESCAPE.search(path):
            raise BadRequest("A percent sign in the path needs two hexadecimal digits")
        parts = [unquote_to_bytes(part).decode("utf-8", "surrogateescape") if "%" in part else part for part in parts]
        for part in parts:
            if "\0" in part or not _DOTS.isdisjoint(part.split("/")):
                raise BadRequest("The path has an encoded dot segment or NUL")
    return path, tuple(parts)


def remove_dot_segments(path: str) -> str:
    """RFC 3986, 5.2.4, except that climbing above the root raises BadRequest (59). A dot may be percent-encoded
    (6.2.2.2). A path that has none is returned itself."""
    output: list[str] = []
    segments = path[1:].split("/")
    plain = [_ENCODED_DOT.sub(".", segment) for segment in segments] if "%2" in path else segments
    if _DOTS.isdisjoint(plain):
        return path
    for segment, dots in zip(segments, plain, strict=True):
        if dots == "..":
            if not output:
                raise BadRequest("The path climbs above the root")
            output.pop()
        elif dots != ".":
            output.append(segment)
    if plain[-1] in _DOTS:
        output.append("")
    return "/" + "/".join(output)


def cut_path(url: Url, depth: int) -> tuple[str, str]:
    """A URL's path in two, as it is encoded: the first `depth` names with a slash before each, and what follows.

    Raises NotFound (51) where an encoded slash is across the cut.
    """
    parts, at = url.path[1:].split("/"), 0
    while depth > 0 and at < len(parts):
        depth -= sum(1 for name in url.segments[at].split("/") if name)
        at += 1
    if depth < 0:
        raise NotFound
    return "".join(f"/{part}" for part in parts[:at] if part), "/" + "/".join(parts[at:])


def split_path(path: str) -> tuple[str, ...]:
    """The names in a path that is not encoded, without the empty ones."""
    return tuple(filter(None, path.split("/")))


def has_dot_segments(path: str) -> bool:
    """Whether a path that is not encoded has some, so that it never is that of a URL's names."""
    return not _DOTS.isdisjoint(path.split("/"))


def encode_path(segments: Iterable[str]) -> str:
    """A path for a link or redirect, from decoded segments: always one leading slash, empty segments dropped.

    A trailing slash is the caller's to add. The result can't be taken for "//host" or a scheme.
    """
    return "/" + "/".join(encode_segment(segment) for segment in segments if segment)


def encode_segment(segment: str) -> str:
    """One path segment, percent-encoded, its lone surrogates as the octets they stand for."""
    return quote(segment.encode("utf-8", "surrogateescape"), safe="!$&'()*+,;=:@~")


def resolve(base: str, reference: str) -> str:
    """The URL that `reference` in an answer to the gemini URL `base` stands for (RFC 3986, 5.2); what can't be resolved
    stays as it is."""
    if _SCHEME.match(reference) or _DROPPED.search(reference):
        return reference
    scheme, _, rest = base.partition(":")
    try:
        joined = urljoin("https:" + rest, reference)  # the standard library resolves for schemes that it knows alone
    except ValueError:
        return reference
    return scheme + joined.removeprefix("https")
