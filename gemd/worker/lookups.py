"""Names of other servers, looked up.

Rules: a name is looked up by a thread of the pool, never in the event loop, once for all who wait for it, and what was
found holds for a while; who asks has its names from the configuration, so that nothing grows.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence

from gemd.protocol.host import is_address
from gemd.protocol.response import ResolveError, Target
from gemd.system.addresses import look_up
from gemd.worker.thread_pool import ThreadPool

_KEPT = 30.0  # seconds for which addresses hold
_FAILURE_KEPT = 1.0  # seconds for which there are none, so that a name server is not asked by each connection
_CLIENT = "the names of upstreams"  # one for all, so that a name server which hangs never has all threads

Wake = Callable[[], None]


class Lookups:
    """All names that a worker has to do with."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self._known: dict[tuple[str, int], Lookup] = {}

    def find(self, host: str, port: int) -> "Lookup":
        """What is known of a name, or an IP address, with this port."""
        known = self._known.get((host, port))
        if known is None:
            known = self._known[host, port] = Lookup(host, port, self._pool)
        return known


class Lookup:
    """The addresses of one server. Of the event loop's thread, but for what the lock guards."""

    def __init__(self, host: str, port: int, pool: ThreadPool) -> None:
        self._host = host
        self._port = port
        self._pool = pool
        self._lock = threading.Lock()
        self._waiting: dict[object, Wake] = {}
        self._is_asking = False
        self._found: Sequence[Target] | ResolveError = ()
        self._until = 0.0
        if is_address(host):
            self._found = look_up(host, port)
            self._until = math.inf

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
            found = look_up(self._host, self._port)
        except ResolveError as error:
            found = error
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
