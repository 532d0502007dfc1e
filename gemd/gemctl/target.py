"""What a client is told to ask for: a URL as it was typed, and an address in its place.

Rule: what is typed is normalised as a browser would, also where a blank or another printable character is one that no
URL has, and what can't be a URL is refused before anybody is asked.
"""

import re
from urllib.parse import quote

import msgspec

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.terminal import escape
from gemd.protocol.errors import BadRequest
from gemd.protocol.host import bracket, place
from gemd.protocol.request import MAX_URL
from gemd.protocol.url import DEFAULT_PORT, parse_url

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PARTS = re.compile(r"([^:]*://[^/?#]*)([^#]*)", re.DOTALL)
_UNFIT = re.compile(r"""[ "<>\\^`{|}\[\]]|%(?![0-9A-Fa-f]{2})""")  # what misleads is for `parse_url` to refuse
_TITAN = re.compile(r"titan(?=://)", re.IGNORECASE)
_CONNECT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))  # has been checked, or escaped, by whoever wrote the URL


class Target(msgspec.Struct, frozen=True):
    """What is asked for: the gemini URL as it is sent, and the host and port that it names."""

    url: str
    host: str
    port: int

    @property
    def place(self) -> str:
        """ "host:port", the name under which a certificate is remembered."""
        return place(self.host, self.port)

    @property
    def name(self) -> str:
        """The last part of the path, encoded; "" of a directory."""
        return self.url.partition("?")[0].rpartition("/")[2]

    def with_query(self, text: str) -> "Target":
        """The same with `text`, which was typed at a prompt, as its query. Raises Failure for one that is too long."""
        query = quote(text.encode("utf-8", "surrogateescape"), safe="")
        return Target(_check_length(f"{self.url.partition('?')[0]}?{query}"), self.host, self.port)

    def titan_url(self, parameters: str) -> str:
        """The same by Titan, with parameters behind the path, whose own semicolons are encoded. Raises Failure for one
        that is too long."""
        path, mark, query = self.url.partition("?")
        sent = f"titan{path.removeprefix('gemini').replace(';', '%3B')};{parameters}{mark}{query}"
        return _check_length(sent)


def parse_target(text: str) -> Target:
    """The URL that was typed, normalised: an IDN in A-labels, behind the host what no URL has percent-encoded, without
    blanks around it or a fragment.

    Raises Failure for what is no Gemini URL.
    """
    typed = text.strip(" ")
    if not _SCHEME.match(typed):
        typed = f"gemini://{typed}"
    try:
        url = parse_url(_encode_unfit(typed).encode("utf-8", "surrogateescape"))
    except BadRequest as error:
        raise Failure(f"{escape(text)}: {error.meta}", code=ExitCode.USAGE) from None
    if url.scheme != "gemini":
        raise Failure(f"{escape(text)}: only gemini:// can be fetched", code=ExitCode.USAGE)
    if not url.host:
        raise Failure(f"{escape(text)}: the URL names no host", code=ExitCode.USAGE)
    port = "" if url.port in (None, DEFAULT_PORT) else f":{url.port}"
    query = "" if url.query is None else "?" + quote(url.query, safe=_ASCII)
    sent = _check_length(f"gemini://{bracket(url.host)}{port}{quote(url.path, safe=_ASCII)}{query}")
    return Target(sent, url.host, url.port or DEFAULT_PORT)


def _encode_unfit(typed: str) -> str:
    """A URL without its fragment, and with what no URL has percent-encoded behind the host."""
    match = _PARTS.match(typed)
    assert match is not None  # it has a scheme
    return match[1] + _UNFIT.sub(lambda unfit: f"%{ord(unfit[0]):02X}", match[2])


def parse_upload_target(text: str) -> Target:
    """The same for an upload, whose URL may be typed as that of the page, or with titan://. Raises Failure."""
    if not _TITAN.match(text):
        return parse_target(text)
    target = parse_target(_TITAN.sub("gemini", text, count=1))
    if ";" in target.name:
        what = "leave out what follows the first semicolon: gemctl writes size, type and token itself"
        raise Failure(f"{escape(text)}: {what}", code=ExitCode.USAGE)
    return target


def _check_length(url: str) -> str:
    if len(url) > MAX_URL:
        raise Failure(f"the URL has {len(url)} bytes; a request has at most {MAX_URL}", code=ExitCode.USAGE)
    return url


def parse_address(text: str) -> tuple[str, int]:
    """ "host:port" or "[address]:port". Raises Failure."""
    match = _CONNECT.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise Failure(f"--connect: expected HOST:PORT, not {escape(text)}", code=ExitCode.USAGE)
    return match["v6"] or match["name"], int(match["port"])
