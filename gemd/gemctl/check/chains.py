"""Where the redirects of a capsule lead in the end.

Rules: each is walked as a client does, which follows five (specification 0.24.1, "Redirection"); a circle is told once.
"""

from collections.abc import Iterator, Mapping

from gemd.gemctl.check.finding import SPECIFICATION, CheckOutcome, Rule, fault

_MOST_FOLLOWED = 5
_SHOWN = 6  # of a chain

CIRCLE = Rule(
    "redirect-circle",
    "a redirect that leads to a page",
    f'{SPECIFICATION}, "Redirection"',
    "take one of these redirects out: `gemd -t` tells those of the configuration",
)
CHAIN = Rule(
    "redirect-chain",
    f"at most {_MOST_FOLLOWED} redirects one after the other",
    f'{SPECIFICATION}, "Redirection"',
    "let the first of these redirects lead to the last page",
)


def find_chains(moved: Mapping[str, str]) -> Iterator[tuple[str, Rule, CheckOutcome]]:
    """What is wrong with redirects, which are given as URLs with those they lead to: the URL, and why."""
    told: set[str] = set()
    inner = set(moved.values())
    for url in moved:
        way = _walk(url, moved)
        last = way[-1]
        if last in moved and last in way[:-1]:
            circle = way[way.index(last) :]
            if told.isdisjoint(circle):
                yield url, CIRCLE, fault(f"it leads in a circle: {_write(way)}")
            told.update(circle)
        elif len(way) - 1 > _MOST_FOLLOWED and url not in inner:
            yield url, CHAIN, fault(f"{len(way) - 1} redirects one after the other: {_write(way)}")


def _walk(url: str, moved: Mapping[str, str]) -> list[str]:
    """From a URL to where its redirects end, or to the first that comes again."""
    way, passed = [url], {url}
    while (there := moved.get(way[-1])) is not None:
        way.append(there)
        if there in passed:
            break
        passed.add(there)
    return way


def _write(way: list[str]) -> str:
    shown = way if len(way) <= _SHOWN + 1 else [*way[:_SHOWN], "...", way[-1]]
    return " -> ".join(shown)
