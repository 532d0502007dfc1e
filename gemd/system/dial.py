"""Connecting to somebody else's server: its addresses are tried one after the other, within one deadline.

Rules: nothing here waits; whoever calls is told which descriptor to watch until it can be written to, and when to come
back at the latest. Each address has its share of the time that is left.
"""

import errno
import os
import socket
import time
from collections.abc import Sequence

from gemd.protocol.response import Target
from gemd.system.default_timeout import ignore_default_timeout

_RETRY_INTERVAL = 0.05  # seconds until a unix socket is asked again whose backlog is full


class DialError(Exception):
    """Nobody answers; the text says why."""


class Dial:
    """One attempt to reach a server by its `targets` until `connect_by`, in monotonic seconds. `deadline` is when to
    call `advance` again at the latest."""

    def __init__(self, targets: Sequence[Target], connect_by: float) -> None:
        self.deadline = time.monotonic()
        self._targets = list(targets)
        self._connect_by = connect_by
        self._socket: socket.socket | None = None
        self._failure = "it does not answer"

    @property
    def descriptor(self) -> int | None:
        """What to watch until it can be written to; None while nothing is being tried."""
        return None if self._socket is None else self._socket.fileno()

    def advance(self) -> socket.socket | None:
        """The connected socket, which is the caller's from then on; None when that has to be waited for. Raises
        DialError."""
        now = time.monotonic()
        if self._socket is not None:
            connected = self._look(now)
            if connected is not None or self._socket is not None:
                return connected
        while self._targets and now < self._connect_by:
            target = self._targets.pop(0)
            self.deadline = now + (self._connect_by - now) / (len(self._targets) + 1)
            try:
                connected = self._begin(target)
            except BlockingIOError:  # of a unix socket whose backlog is full
                self._failure = "it accepts no more (its backlog is full)"
                self._targets.append(target)
                self.deadline = min(now + _RETRY_INTERVAL, self._connect_by)
                return None
            except OSError as error:
                self._failure = error.strerror or str(error)
                continue
            if connected is not None or self._socket is not None:
                return connected
        raise DialError(self._failure)

    def _begin(self, target: Target) -> socket.socket | None:
        """Begin to connect; the socket if that is done already. Raises OSError."""
        family, place = target
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            ignore_default_timeout(sock)
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            error = sock.connect_ex(place)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
        except OSError:
            sock.close()
            raise
        if not error:
            return sock
        self._socket = sock
        return None

    def _look(self, now: float) -> socket.socket | None:
        """How the one that is being tried gets on."""
        sock = self._socket
        assert sock is not None
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not error and is_connected(sock):
            self._socket = None
            return sock
        if error or now >= self.deadline:
            self._failure = os.strerror(error) if error else "it does not answer"
            self.close()
        return None

    def close(self) -> None:
        """Let go of what is being tried."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def is_connected(sock: socket.socket) -> bool:
    """Whether there is somebody at the other end."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
