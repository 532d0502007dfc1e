"""The links of a gemtext page, and where they lead (gemtext specification 0.24.1).

Rules: what stands between the toggles of preformatted text is no link; a link is the same as another one if a client
would ask for the same octets; of one that is no URL the beginning is kept, however long a page has it.
"""

import enum
import re
from collections.abc import Iterator

import msgspec

from gemd.gemctl.failure import Failure
from gemd.gemctl.target import parse_target
from gemd.gemctl.terminal import escape
from gemd.protocol.request import MAX_URL
from gemd.protocol.url import resolve

_LINK = re.compile(r"=>[ \t]*(?P<url>[^ \t]+)")
_TOGGLE = "```"
_SHOWN = 200  # characters of what is no URL
_SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]*):")


class Way(enum.Enum):
    """Where a link leads."""

    WITHIN = enum.auto()  # to the same host and port
    ELSEWHERE = enum.auto()  # to another server by Gemini
    OUT = enum.auto()  # out of Gemini, by Titan for one
    NOWHERE = enum.auto()  # it is no URL


class FoundLink(msgspec.Struct, frozen=True):
    """`url` is what is asked for, or what was written where that is nothing to ask for, with the `fault`."""

    way: Way
    url: str
    place: str = ""
    fault: str = ""


def find_links(text: str) -> Iterator[tuple[int, str]]:
    """The number of each line of a page that is a link, and its reference."""
    is_preformatted = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_TOGGLE):
            is_preformatted = not is_preformatted
        elif not is_preformatted and (match := _LINK.match(line.rstrip("\r"))):
            yield number, match["url"]


def follow_link(base: str, place: str, reference: str) -> FoundLink:
    """Where a reference leads on a page at `base`, of a server at `place` ("host:port")."""
    there = resolve(base, reference)
    scheme = _SCHEME.match(there)
    if scheme is None:
        return _lead_nowhere(reference, "it is no URL")
    if scheme["name"].lower() != "gemini":
        return FoundLink(Way.OUT, there)
    if len(there.partition("#")[0]) > 2 * MAX_URL:
        return _lead_nowhere(reference, f"the URL has {len(there)} characters; a request has at most {MAX_URL} bytes")
    try:
        target = parse_target(there)
    except Failure as failure:
        return _lead_nowhere(reference, "; ".join(failure.lines).removeprefix(f"{escape(there)}: "))
    return FoundLink(Way.WITHIN if target.place == place else Way.ELSEWHERE, target.url, target.place)


def _lead_nowhere(reference: str, reason: str) -> FoundLink:
    shown = reference if len(reference) <= _SHOWN else f"{reference[:_SHOWN]}..."
    return FoundLink(Way.NOWHERE, shown, fault=reason)


def path_of(url: str) -> str:
    """The path of what is asked for, and its query."""
    return "/" + url.split("/", 3)[3]
