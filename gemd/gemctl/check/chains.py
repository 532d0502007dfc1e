"""Where the redirects of a capsule lead in the end.

Rules: each is gone along once, however many lead there; a client follows five (specification 0.24.1, "Redirection"); a
circle is told once.
"""

from collections.abc import Iterator, Mapping

import msgspec

from gemd.gemctl.check.finding import SPECIFICATION, CheckOutcome, Rule, fault
from gemd.protocol.status import MOST_REDIRECTS

_SHOWN = 6  # of a chain

CIRCLE = Rule(
    "redirect-circle",
    "a redirect that leads to a page",
    f'{SPECIFICATION}, "Redirection"',
    "take one of these redirects out: `gemd -t` tells those of the configuration",
)
CHAIN = Rule(
    "redirect-chain",
    f"at most {MOST_REDIRECTS} redirects one after the other",
    f'{SPECIFICATION}, "Redirection"',
    "let the first of these redirects lead to the last page",
)


class _End(msgspec.Struct, frozen=True):
    """Where a URL leads in the end, after so many redirects; `url` is None where that is a circle."""

    url: str | None
    redirects: int = 0


def find_chains(moved: Mapping[str, str]) -> Iterator[tuple[str, Rule, CheckOutcome]]:
    """What is wrong with redirects, which are given as URLs with those they lead to: the URL, and why."""
    ends: dict[str, _End] = {}
    inner = set(moved.values())
    for url in moved:
        way = _walk(url, moved, ends)
        last = way.pop()
        if last in moved and last not in ends:
            yield url, CIRCLE, fault(f"it leads in a circle: {_write([*way, last])}")
        end = ends.get(last, _End(None if last in moved else last))
        for step, passed in enumerate(reversed(way), 1):
            ends[passed] = _End(end.url, end.redirects + step)
    for url, end in ends.items():
        if end.url is not None and end.redirects > MOST_REDIRECTS and url not in inner:
            yield url, CHAIN, fault(f"{end.redirects} redirects one after the other: {_write_chain(url, moved, end)}")


def _walk(url: str, moved: Mapping[str, str], ends: Mapping[str, _End]) -> list[str]:
    """From a URL to where its redirects end, to the first that comes again, or to one whose end is known."""
    way, passed = [url], {url}
    while way[-1] not in ends and (there := moved.get(way[-1])) is not None:
        way.append(there)
        if there in passed:
            break
        passed.add(there)
    return way


def _write_chain(url: str, moved: Mapping[str, str], end: _End) -> str:
    way = [url]
    while way[-1] in moved and len(way) <= _SHOWN:
        way.append(moved[way[-1]])
    if way[-1] != end.url:
        way[_SHOWN:] = ["...", str(end.url)]
    return " -> ".join(way)


def _write(way: list[str]) -> str:
    shown = way if len(way) <= _SHOWN + 1 else [*way[:_SHOWN], "...", way[-1]]
    return " -> ".join(shown)
