"""What a capsule asks of programs that visit it by themselves: its /robots.txt (the robots companion of 2020-11).

Rules: who checks links is no archiver or indexer, and heeds what is for all, for those who research, and for itself;
prefixes alone count; of a large file the beginning does.
"""

from collections.abc import Iterable

from gemd.gemctl.check.visit import SlowedDown, Visitor
from gemd.protocol.headings import decode_page
from gemd.protocol.status import has_body

_AGENTS = frozenset({"*", "researcher", "gemctl"})
_MOST_LINES = 5000


def read_robots(visitor: Visitor) -> tuple[str, ...]:
    """What the server asks for that a visitor sees; nothing, if it only says that it is busy. Raises Failure without a
    connection, and OutOfTime."""
    try:
        reply = visitor.ask(visitor.subject.url("/robots.txt"))
    except SlowedDown:
        return ()
    return parse_robots(decode_page(reply.body)) if has_body(reply.status) else ()


def parse_robots(text: str) -> tuple[str, ...]:
    """The beginnings of paths that are to be left alone."""
    barred: list[str] = []
    is_ours, is_list_of_agents = False, False
    for line in text.splitlines()[:_MOST_LINES]:
        field, _, value = line.partition("#")[0].partition(":")
        name, value = field.strip().lower(), value.strip()
        if name == "user-agent":
            is_ours = (is_list_of_agents and is_ours) or value.lower() in _AGENTS
            is_list_of_agents = True
        elif name:
            is_list_of_agents = False
            if name == "disallow" and value and is_ours:
                barred.append(value)
    return tuple(barred)


def is_barred(path: str, barred: Iterable[str]) -> bool:
    """Whether a path is to be left alone."""
    return any(path.startswith(prefix) for prefix in barred)
