"""One rate limit for all workers: GCRA over shared memory.

Each client address is hashed into a cell that holds one number, the time at which its budget will be whole again.
Rules: no lock (two workers that race lose one count, never more); the table is as large as it will ever be; two
clients that share a cell share a budget, which is rare and passes. Called by the router in each worker.
"""

import hashlib
import math
import mmap
import os
import time
from ipaddress import ip_address, ip_network

from gemd.config.settings import Rate
from gemd.protocol.errors import SlowDown

_CELLS = 65_536
_V6_PREFIX = 64  # what one customer is given; single addresses cost an attacker nothing


class RateLimit:
    """Made in the master, used in the workers. A client may use its whole budget at once, then waits for the next
    part of it."""

    def __init__(self, rate: Rate) -> None:
        self._cells = memoryview(mmap.mmap(-1, _CELLS * 8)).cast("Q")
        self._secret = os.urandom(16)  # so that nobody chooses an address to share somebody's cell
        self._interval = int(rate.seconds / rate.count * 1e9)
        self._burst = int(rate.seconds * 1e9) - self._interval

    def check(self, address: str) -> None:
        """Count a request from this address. Raises SlowDown (44), its text beginning with the seconds to wait."""
        now = time.monotonic_ns()
        cell = self._cell(address)
        due = max(now, self._cells[cell])
        if due - now > self._burst:
            seconds = math.ceil((due - now - self._burst) / 1e9)
            raise SlowDown(f"{seconds} seconds to wait: too many requests")
        self._cells[cell] = due + self._interval

    def _cell(self, address: str) -> int:
        digest = hashlib.blake2b(network_of(address).encode(), key=self._secret, digest_size=4).digest()
        return int.from_bytes(digest) % _CELLS


def network_of(address: str) -> str:
    """Who is counted as one client: an IPv4 address, an IPv6 /64, or whatever the address says."""
    if ":" not in address:
        return address
    try:
        return str(ip_network((ip_address(address), _V6_PREFIX), strict=False))
    except ValueError:
        return address
