"""The upstreams of a location, which answer in turn, and the way to one of them.

Rules: one that can't be reached is left out for a while, unless there is no other; a request goes to the next one only
while nothing of it has been sent.
"""

import socket
import time
from collections.abc import Callable, Collection, Sequence

from gemd.config.types import Address
from gemd.protocol.response import Helper, ResolveError, Target, when_writable
from gemd.system.dial import Dial, DialError
from gemd.system.own_places import LOOP

IsOwn = Callable[[socket.socket], bool]

_LEFT_OUT = 10.0  # seconds for which one is not asked that could not be reached


class NoUpstream(Exception):
    """None can be reached; the text says why the last one could not."""


class _Upstream:
    def __init__(self, address: Address) -> None:
        self.address = address
        self.left_out_until = 0.0


class Group:
    """All upstreams of a location, as one worker knows them."""

    def __init__(self, addresses: Sequence[Address], is_own: IsOwn | None = None) -> None:
        """`is_own` says whether a connection leads to gemd itself."""
        self._upstreams = [_Upstream(address) for address in addresses]
        self._is_own = is_own
        self._next = 0

    def find_route(self, connect_by: float) -> "Route":
        """The way to one of them, until `connect_by` in monotonic seconds: first those that could be reached lately, in
        turn."""
        turn, self._next = self._next, (self._next + 1) % len(self._upstreams)
        in_turn = self._upstreams[turn:] + self._upstreams[:turn]
        now = time.monotonic()
        return Route(sorted(in_turn, key=lambda upstream: upstream.left_out_until > now), connect_by, self._is_own)


class Route:
    """The way of one request, to the first of some upstreams that can be reached. `deadline` is when to call `advance`
    again at the latest."""

    def __init__(self, upstreams: Sequence[_Upstream], connect_by: float, is_own: IsOwn | None = None) -> None:
        self._upstreams = list(upstreams)
        self._connect_by = connect_by
        self._is_own = is_own
        self._dial: Dial | None = None
        self._helper: Helper | None = None

    def __str__(self) -> str:
        """The upstream that is being tried, or was reached, or was the last."""
        return str(self.address)

    @property
    def address(self) -> Address:
        """Of the same one."""
        return self._upstreams[0].address

    @property
    def descriptors(self) -> Collection[int]:
        """What to watch, as for a `Source`."""
        descriptor = self._dial.descriptor if self._dial is not None else None
        return () if descriptor is None else (when_writable(descriptor),)

    @property
    def deadline(self) -> float:
        """When another address, or upstream, has its turn."""
        return self._connect_by if self._dial is None else self._dial.deadline

    def begin(self, helper: Helper) -> None:
        """Called once, before anything else."""
        self._helper = helper

    def advance(self) -> socket.socket | None:
        """The connected socket, which is the caller's from then on; None when that has to be waited for. Raises
        NoUpstream."""
        while True:
            upstream = self._upstreams[0]
            try:
                if self._dial is None and not self._begin_to_dial(upstream):
                    return None
                assert self._dial is not None
                connected = self._dial.advance()
            except (DialError, ResolveError) as error:
                upstream.left_out_until = time.monotonic() + _LEFT_OUT
                self._dial = None
                if len(self._upstreams) == 1 or time.monotonic() >= self._connect_by:
                    raise NoUpstream(f"can't be reached: {error}") from None
                self._upstreams.pop(0)
                continue
            if connected is not None:
                upstream.left_out_until = 0.0
                self._dial = None
                if self._is_own is not None and self._is_own(connected):
                    connected.close()
                    raise NoUpstream(LOOP)
            return connected

    def _begin_to_dial(self, upstream: _Upstream) -> bool:
        """Whether its addresses are known. Raises ResolveError."""
        assert self._helper is not None
        address = upstream.address
        targets: Sequence[Target] | None = [(int(socket.AF_UNIX), address.path)]
        if not address.path:
            targets = self._helper.resolve(address.host, address.port)
        now = time.monotonic()
        if targets is None:
            if now >= self._connect_by:
                raise ResolveError("it could not be looked up in time")
            return False
        self._dial = Dial(targets, now + (self._connect_by - now) / len(self._upstreams))
        return True

    def close(self) -> None:
        """Let go of what is being tried."""
        if self._dial is not None:
            self._dial.close()
            self._dial = None
