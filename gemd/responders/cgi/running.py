"""How many scripts run in this worker, in all and for each client."""

import threading
from collections import Counter
from collections.abc import Callable

from gemd.config.settings import Limits
from gemd.protocol.errors import Overloaded
from gemd.protocol.peer import network_of


class RunningScripts:
    """Counts scripts, from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._by_client: Counter[str] = Counter()

    def enter(self, address: str) -> Callable[[], None]:
        """Count one more script for the client with this address; what is returned is called when it has ended.

        Raises Overloaded (41).
        """
        limits, client = self._limits, network_of(address)
        with self._lock:
            if self._by_client.total() >= limits.cgi or self._by_client[client] >= limits.cgi_per_address:
                raise Overloaded("Too many scripts are running, try again later")
            self._by_client[client] += 1

        def leave() -> None:
            with self._lock:
                self._by_client[client] -= 1
                if not self._by_client[client]:
                    del self._by_client[client]

        return leave
