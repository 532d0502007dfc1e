"""Where connections are passed on to: which names that concerns, and the addresses of each upstream.

Rule: there is one answer for each name that a client may ask for, from the configuration alone.
"""

import socket
from collections.abc import Callable, Sequence
from functools import lru_cache

from gemd.config.host_settings import Host
from gemd.config.pass_settings import PassHost
from gemd.protocol.host import find_by_name, is_host_name, normalise_server_name
from gemd.protocol.response import Target
from gemd.worker.lookups import Lookups, Wake


class Upstream:
    """The server behind one host."""

    def __init__(self, host: PassHost, lookups: Lookups) -> None:
        self.host = host
        self.address = host.address
        self._lookup = None if self.address.path else lookups.find(self.address.host, self.address.port)

    def __str__(self) -> str:
        return str(self.address)

    def resolve(self, key: object, wake: Wake) -> Sequence[Target] | None:
        """Its addresses, as `Lookup.resolve` has them. Raises ResolveError."""
        if self._lookup is None:
            return [(int(socket.AF_UNIX), self.address.path)]
        return self._lookup.resolve(key, wake)

    def forget(self, key: object) -> None:
        """Whoever waits so waits no longer."""
        if self._lookup is not None:
            self._lookup.forget(key)


FindUpstream = Callable[[bytes], Upstream | None]


def find_upstreams(hosts: Sequence[Host], passes: Sequence[PassHost], lookups: Lookups) -> FindUpstream:
    """What tells the upstream of a name that a client asks for; None for a name that is served here, or by nobody,
    and for what is no name, which nobody else is to be told. A host of that very name comes before one whose wildcard
    stands for it, of whichever kind they are."""
    names: dict[str, Upstream | Host] = {name: host for host in hosts for name in host.names}
    for host in passes:
        names |= dict.fromkeys(host.names, Upstream(host, lookups))

    @lru_cache(maxsize=256)
    def find(name: bytes) -> Upstream | None:
        normal = normalise_server_name(name)
        if normal is None or not is_host_name(normal):
            return None
        found = find_by_name(names, normal)
        return found if isinstance(found, Upstream) else None

    return find
