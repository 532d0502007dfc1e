"""Where connections are passed on to: which names that concerns, and the addresses of each upstream.

Rules: a name is looked up by a thread of the pool, never in the event loop, once for all who wait for it, and what was
found holds for a while; there is one answer for each host that is configured, so that nothing grows.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from gemd.config.host_settings import Host
from gemd.config.pass_settings import PassHost
from gemd.protocol.host import find_by_name, is_address, is_host_name, normalise_server_name
from gemd.worker.thread_pool import ThreadPool

_KEPT = 30.0  # seconds for which addresses hold
_FAILURE_KEPT = 1.0  # seconds for which there are none, so that a name server is not asked by each connection
_CLIENT = "the names of upstreams"  # one for all, so that a name server which hangs never has all threads

Target = tuple[int, tuple[object, ...] | str]  # the family of an address, and the address as connect(2) wants it
Wake = Callable[[], None]


class ResolveError(Exception):
    """There is no address; the text says why."""


class Upstream:
    """The server behind one host. Of the event loop's thread, but for what the lock guards."""

    def __init__(self, host: PassHost, pool: ThreadPool) -> None:
        self.host = host
        self.address = host.address
        self._pool = pool
        self._lock = threading.Lock()
        self._waiting: dict[object, Wake] = {}
        self._is_asking = False
        self._found: Sequence[Target] | ResolveError = ()
        self._until = 0.0
        fixed = _fixed_targets(host)
        if fixed:
            self._found, self._until = fixed, float("inf")

    def __str__(self) -> str:
        return str(self.address)

    def resolve(self, key: object, wake: Wake) -> Sequence[Target] | None:
        """The addresses, in the order in which they are to be tried; None where they are not known yet, and then `wake`
        is called when they are, by any thread, unless `forget` takes it back. Raises ResolveError."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._waiting[key] = wake
                if self._is_asking:
                    return None
                self._is_asking = True
            elif isinstance(self._found, ResolveError):
                raise ResolveError(str(self._found))
            else:
                return self._found
        if self._pool.run(_CLIENT, self._ask, self._finish) is None:
            self._is_asking = False  # of which no other thread knows
            self.forget(key)
            raise ResolveError("there is no thread to look it up")
        return None

    def forget(self, key: object) -> None:
        """Whoever waits so waits no longer."""
        with self._lock:
            self._waiting.pop(key, None)

    def _ask(self) -> None:
        """Runs in a thread of the pool."""
        found: Sequence[Target] | ResolveError
        try:
            # As octets it needs none of the tables for internationalised names.
            entries = socket.getaddrinfo(self.address.host.encode(), self.address.port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys((int(family), place) for family, _, _, _, place in entries))
        except (OSError, UnicodeError) as error:
            found = ResolveError(f"it can't be looked up: {getattr(error, 'strerror', None) or 'no such name'}")
        with self._lock:
            self._found = found
            self._until = time.monotonic() + (_FAILURE_KEPT if isinstance(found, ResolveError) else _KEPT)

    def _finish(self) -> None:
        """Runs in a thread of the pool."""
        with self._lock:
            self._is_asking = False
            waiting, self._waiting = self._waiting, {}
        for wake in waiting.values():
            wake()


def _fixed_targets(host: PassHost) -> Sequence[Target]:
    """What needs not be looked up: the path of a unix socket, or an address."""
    address = host.address
    if address.path:
        return [(int(socket.AF_UNIX), address.path)]
    if not is_address(address.host):
        return ()
    entries = socket.getaddrinfo(
        address.host.encode(), address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    return [(int(family), place) for family, _, _, _, place in entries]


FindUpstream = Callable[[bytes], Upstream | None]


def find_upstreams(hosts: Sequence[Host], passes: Sequence[PassHost], pool: ThreadPool) -> FindUpstream:
    """What tells the upstream of a name that a client asks for; None for a name that is served here, or by nobody,
    and for what is no name, which nobody else is to be told. A host of that very name comes before one whose wildcard
    stands for it, of whichever kind they are."""
    names: dict[str, Upstream | Host] = {name: host for host in hosts for name in host.names}
    for host in passes:
        names |= dict.fromkeys(host.names, Upstream(host, pool))

    @lru_cache(maxsize=256)
    def find(name: bytes) -> Upstream | None:
        normal = normalise_server_name(name)
        if normal is None or not is_host_name(normal):
            return None
        found = find_by_name(names, normal)
        return found if isinstance(found, Upstream) else None

    return find
