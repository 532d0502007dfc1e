"""The upstreams of a location: whose turn it is, and which of them are left out.

Rule: one that can't be reached, or does not answer, is left out for a while, unless there is no other.
"""

import socket
import time
from collections.abc import Callable, Sequence

from gemd.config.types import Address
from gemd.system.log import error_log
from gemd.system.places import Places, find_share

IsOwn = Callable[[socket.socket], bool]

_LEFT_OUT = 10.0  # seconds


class GatewayUpstream:
    """One of them."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.left_out_until = 0.0


class Upstreams:
    """All of them, as one worker knows them. `kind` is one of GATEWAYS, and `count` is told the status of each answer;
    `name` is for the log. At most `connections` requests are with them at
    once, for which clients take turns by `places`. `is_own` says whether a connection leads to gemd itself.
    `last_moment` is when this worker ends, in monotonic seconds."""

    def __init__(
        self,
        kind: str,
        name: str,
        addresses: Sequence[Address],
        connections: int,
        is_own: IsOwn = lambda _sock: False,
    ) -> None:
        self.kind = kind
        self.name = name
        self.count: Callable[[int], None] = lambda _status: None
        self.is_own = is_own
        self.last_moment: float | None = None
        self.places = Places(connections, find_share(connections))
        self._upstreams = [GatewayUpstream(address) for address in addresses]
        self._next = 0

    def take_order(self) -> list[GatewayUpstream]:
        """All of them, in the order in which a request tries them: in turn, and those that are left out at the end."""
        turn, self._next = self._next, (self._next + 1) % len(self._upstreams)
        in_turn = self._upstreams[turn:] + self._upstreams[:turn]
        now = time.monotonic()
        return sorted(in_turn, key=lambda upstream: upstream.left_out_until > now)

    def leave_out(self, upstream: GatewayUpstream, reason: str) -> None:
        """For a while, unless there is no other; the reason is logged once in that time."""
        if len(self._upstreams) == 1:
            return
        now = time.monotonic()
        if now >= upstream.left_out_until:
            text = "%s: %s %s, and is left out for %g s where there is another"
            error_log.warning(text, self.name, upstream.address, reason, _LEFT_OUT)
        upstream.left_out_until = now + _LEFT_OUT

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`: the worker ends."""
        self.last_moment = min(moment, self.last_moment or moment)
