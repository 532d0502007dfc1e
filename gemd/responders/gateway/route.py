"""The way of one request to an upstream: its turn comes, a name is looked up, and addresses are tried.

Rules: nothing here waits; a request goes to the next upstream only while nothing of it has been sent.
"""

import socket
import time
from collections.abc import Callable, Collection, Sequence

from gemd.config.types import Address
from gemd.protocol.response import Helper, ResolveError, Target, when_writable
from gemd.responders.gateway.upstreams import GatewayUpstream, Upstreams
from gemd.system.dial import Dial, DialError
from gemd.system.own_places import LOOP
from gemd.system.places import Place

_CONNECT_TIMEOUT = 5.0  # seconds, for all of the upstreams


class NoUpstream(Exception):
    """None can be reached; the text says why the last one could not."""


class Route:
    """To one of the `upstreams`, within `timeout` seconds. `has_turn` once it may begin, and `upstream` is then the one
    that is tried, or was reached, or was the last. `is_refused` where its client has, or waits for, too many turns."""

    def __init__(self, upstreams: Upstreams, timeout: float) -> None:
        self.upstreams = upstreams
        self.is_refused = False
        self.upstream: GatewayUpstream | None = None
        self._timeout = min(timeout, _CONNECT_TIMEOUT)
        self._connect_by = 0.0
        self._try_until = 0.0  # the one that is tried, if there are others
        self._left: list[GatewayUpstream] = []
        self._dial: Dial | None = None
        self._is_looking_up = False
        self._helper: Helper | None = None
        self._place: Place | None = None  # that it has, or waits for
        self._note_turn: Callable[[], None] | None = None

    def __str__(self) -> str:
        return str(self.upstream.address) if self.upstream is not None else "none of its upstreams"

    @property
    def address(self) -> Address:
        """Of the same one."""
        assert self.upstream is not None
        return self.upstream.address

    @property
    def has_turn(self) -> bool:
        """Whether it may begin."""
        return self._connect_by > 0.0

    def begin(self, helper: Helper, note_turn: Callable[[], None]) -> None:
        """Have `note_turn` called, and `helper` woken, when its turn comes; that may be at once."""
        self._helper, self._note_turn = helper, note_turn
        places = self.upstreams.places
        self.is_refused = not places.has_share_left(helper.client)
        if not self.is_refused:
            self._place = places.request(helper.client, self._take_place)

    def _take_place(self, _place: Place) -> None:
        assert self._helper is not None
        assert self._note_turn is not None
        self._left = self.upstreams.take_order()
        self._connect_by = time.monotonic() + self._timeout
        self._note_turn()
        self._helper.wake()

    # What is waited for

    @property
    def descriptors(self) -> Collection[int]:
        """What to watch, as for a `Source`."""
        descriptor = self._dial.descriptor if self._dial is not None else None
        return () if descriptor is None else (when_writable(descriptor),)

    @property
    def deadline(self) -> float:
        """When another address, or upstream, has its turn."""
        return self._dial.deadline if self._dial is not None else self._try_until or self._connect_by

    # The way

    def advance(self) -> socket.socket | None:
        """The connected socket, which is the caller's from then on; None when that has to be waited for. Raises
        NoUpstream."""
        while self.has_turn:
            if self.upstream is None:
                self._take_next()
            assert self.upstream is not None
            try:
                if self._dial is None:
                    self._dial = self._find_dial(self.upstream)
                connected = self._dial.advance() if self._dial is not None else None
            except (DialError, ResolveError) as error:
                self._give_up(self.upstream, f"can't be reached: {error}")
                continue
            if connected is not None:
                self._dial = None
                if self.upstreams.is_own(connected):
                    connected.close()
                    raise NoUpstream(LOOP)
            return connected
        return None

    def _take_next(self) -> None:
        """Try another one, which has its share of the time that is left."""
        now = time.monotonic()
        self.upstream = self._left.pop(0)
        self._try_until = now + (self._connect_by - now) / (len(self._left) + 1)

    def _find_dial(self, upstream: GatewayUpstream) -> Dial | None:
        """None while its addresses are not known. Raises ResolveError."""
        address = upstream.address
        targets: Sequence[Target] | None = [(int(socket.AF_UNIX), address.path)]
        if not address.path:
            targets = self._look_up(address.host, address.port)
        if targets is None:
            if time.monotonic() >= self._try_until:
                raise ResolveError("it could not be looked up in time")
            return None
        return Dial(targets, self._try_until)

    def _look_up(self, host: str, port: int) -> Sequence[Target] | None:
        assert self._helper is not None
        self._is_looking_up = False
        targets = self._helper.resolve(host, port)
        self._is_looking_up = targets is None
        return targets

    def _give_up(self, upstream: GatewayUpstream, reason: str) -> None:
        """Have the next one tried. Raises NoUpstream where there is none, or no time."""
        self._stop_trying()
        self.upstreams.leave_out(upstream, reason)
        if not self._left or time.monotonic() >= self._connect_by:
            raise NoUpstream(reason)
        self.upstream = None

    def leave_out(self, reason: str) -> None:
        """The upstream was reached, and did not answer."""
        if self.upstream is not None:
            self.upstreams.leave_out(self.upstream, reason)

    def leave(self) -> None:
        """The upstream is done: another request may come to it."""
        place, self._place = self._place, None
        if place is not None:
            place.leave()

    def close(self) -> None:
        """Let go of what is being tried, and of the turn."""
        self._stop_trying()
        self.leave()

    def _stop_trying(self) -> None:
        if self._dial is not None:
            self._dial.close()
            self._dial = None
        if self._is_looking_up and self._helper is not None and self.upstream is not None:
            self._helper.forget(self.upstream.address.host, self.upstream.address.port)
            self._is_looking_up = False
