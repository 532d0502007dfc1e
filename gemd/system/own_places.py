"""Where gemd itself listens, so that a connection which leads back to it is noticed: it would come in again and again.

Rule: what counts is where a connection has arrived, by whatever name or link it was found.
"""

import contextlib
import socket
from collections.abc import Collection

from gemd.system.client_socket import show_address
from gemd.system.listener import Listener

LOOP = "this is a loop: gemd itself listens there"


class OwnPlaces:
    """The places of some listeners."""

    def __init__(self, listeners: Collection[Listener]) -> None:
        self.paths = {listener.address.path for listener in listeners if listener.address.path}
        self._places = {listener.local or (None, listener.port) for listener in listeners}

    def has(self, link: socket.socket) -> bool:
        """Whether a connection leads to one of them."""
        with contextlib.suppress(OSError):
            if link.family == socket.AF_UNIX:
                return link.getpeername() in self.paths  # as it was bound
            here, (there, port) = link.getsockname()[0], link.getpeername()[:2]
            there = show_address(there)
            # Both ends have one address on this machine alone; but 127.0.0.1 connects to all of 127.0.0.0/8.
            is_here = show_address(here) == there or there.startswith("127.")
            return (there, port) in self._places or (is_here and (None, port) in self._places)
        return False
