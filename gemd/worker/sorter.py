"""Whose a connection is: gemd's own, or to be passed on as its ClientHello says, before TLS has any of it.

Rule: what is no ClientHello is TLS's to refuse, and so is what names nobody who is known.
"""

from collections.abc import Callable
from typing import NamedTuple

from gemd.protocol.client_hello import ClientHelloError, parse_client_hello
from gemd.worker.connection import Connection
from gemd.worker.upstream import FindUpstream, Upstream


class Destination(NamedTuple):
    """Where a connection is passed on to, for the name that was asked for; it is gemd's own without an upstream."""

    name: bytes
    upstream: Upstream | None


OURS = Destination(b"", None)


class Sorter:
    """`pass_on` takes a connection, what was read from it, the name and the upstream."""

    def __init__(self, find: FindUpstream, pass_on: Callable[[Connection, bytes, bytes, Upstream], None]) -> None:
        self._find = find
        self._pass_on = pass_on

    def find(self, hello: bytes) -> Destination | None:
        """What a client's first bytes say; None while they do not say it yet."""
        try:
            parsed = parse_client_hello(hello)
        except ClientHelloError:
            return OURS
        if parsed is None:
            return None
        name = parsed.server_name
        return Destination(name, self._find(name)) if name is not None else OURS

    def pass_on(self, connection: Connection, hello: bytes, destination: Destination) -> None:
        """Pass on one that is another's."""
        assert destination.upstream is not None
        self._pass_on(connection, hello, destination.name, destination.upstream)
