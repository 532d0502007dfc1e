"""Unix sockets of others that requests of a location go to."""

import contextlib
from collections.abc import Iterator

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.proxy_checks import parse_proxy_upstream
from gemd.config.types import Address
from gemd.config.upstream import parse_upstream


def list_sockets(location: Location) -> Iterator[tuple[str, str]]:
    """Their paths, each with the key of the table that names it; what is no address at all is left out."""
    named = [(kind, text) for kind, table in location.application_tables.items() for text in table.upstreams]
    named += [(AnswerKind.PROXY, text) for text in (location.proxy.upstreams if location.proxy is not None else ())]
    for kind, text in named:
        with contextlib.suppress(ValueError):
            path = _find_address(kind, text).path
            if path:
                yield kind.value, path


def _find_address(kind: AnswerKind, text: str) -> Address:
    """Raises ValueError."""
    return parse_proxy_upstream(text).address if kind is AnswerKind.PROXY else parse_upstream(text)
