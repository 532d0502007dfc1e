"""Listeners: connections are accepted here, one from each listener in a turn of the event loop.

Rules: no failure to accept makes the loop hot, and none but that of the listener itself ends the worker; a worker that
can take no more leaves accepting to the others; whoever has too many handshakes is turned away before TLS begins.
"""

import errno
import math
import select
import socket
import time
from collections.abc import Mapping

from gemd.config.listen import Listen
from gemd.config.settings import Timeouts
from gemd.protocol.peer import V6_PREFIX
from gemd.system.client_socket import find_address, forget_port, make_peer
from gemd.system.listener import Listener
from gemd.system.log import error_log
from gemd.system.plain import PlainConnection
from gemd.system.tls import ConnectionMaker
from gemd.worker.admission import Admission
from gemd.worker.connection import Connection
from gemd.worker.poller import Poller
from gemd.worker.proxied import Proxied
from gemd.worker.reading import Reading

_PAUSE = 0.1  # seconds without accepting after this machine ran out of something
_LOOK_INTERVAL = 1.0  # seconds at most between two looks at the listeners
_BROKEN = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Accepting:
    """What is accepted from `listeners`, each with what is configured for it, is read by `reading`. `admission` may
    turn clients away."""

    def __init__(
        self,
        poller: Poller[Connection],
        listeners: Mapping[Listener, Listen],
        context: ConnectionMaker | None,
        timeouts: Timeouts,
        max_backlog: int,
        reading: Reading,
        admission: Admission | None,
        v6_prefix: int = V6_PREFIX,
    ) -> None:
        self._poller = poller
        self._context = context
        self._timeout = timeouts.request
        self._max_backlog = max_backlog
        self._reading = reading
        self._admission = admission
        self._v6_prefix = v6_prefix
        self._listeners = {listener.socket.fileno(): listener for listener in listeners}
        self._plain = frozenset(listener for listener, listen in listeners.items() if not listen.tls)
        self._proxied = Proxied(listeners, reading, admission)
        self._waiting: list[Listener] = []  # with connections to accept
        self._accepted: list[Connection] = []
        self._are_watched = False
        self._is_left_to_others = False
        self._paused_until: float | None = None
        self._next_look = 0.0
        self._watch()

    @property
    def is_listening(self) -> bool:
        """Whether connections are accepted, now or after a pause."""
        return bool(self._listeners)

    # Who is told of connections

    def _watch(self) -> None:
        """Watch the listeners, or watch them no longer: what others do not accept then waits in the backlog."""
        must_watch = self._paused_until is None and not self._is_left_to_others
        if must_watch == self._are_watched:
            return
        self._are_watched = must_watch
        for fd, listener in self._listeners.items():
            if must_watch:
                events = select.EPOLLIN | select.EPOLLEXCLUSIVE
                self._poller.watch(fd, lambda listener=listener: self._waiting.append(listener), events)  # type: ignore[misc]
            else:
                self._poller.unwatch(fd)

    def leave_to_others(self, *, is_left: bool) -> None:
        """Leave accepting to the other workers, or take part in it again."""
        if is_left != self._is_left_to_others:
            self._is_left_to_others = is_left
            self._watch()

    def _pause(self, error: OSError) -> None:
        if self._paused_until is None:
            error_log.warning("not accepting for %.1f s: %s", _PAUSE, error.strerror)
        self._paused_until = time.monotonic() + _PAUSE
        self._watch()

    def stop(self) -> None:
        """Accept what is in the backlog, then close the listeners."""
        self._paused_until, self._is_left_to_others = math.inf, True
        self._watch()  # closing would not do: other processes hold the same socket
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            for _ in range(self._max_backlog):
                if not self._accept(listener):
                    break
            listener.close()
        self._accepted.clear()  # too many for one turn: the poller tells of them
        self._paused_until = None

    # Accepting

    def accept_waiting(self) -> list[Connection]:
        """Accept one connection from each listener that has one. After all others, who are served first. Those who were
        accepted since the last time: their first bytes may be here already."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for listener in waiting:
                if listener.socket.fileno() in self._listeners:
                    self._accept(listener)
        accepted, self._accepted = self._accepted, []
        return accepted

    def _accept(self, listener: Listener) -> bool:
        """Take one connection; False when there is none. Raises OSError for a listener that is broken for good."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _BROKEN:
                raise OSError(error.errno, f"{listener} can't be listened on any more: {error.strerror}") from None
            if error.errno in _OUT_OF_RESOURCES and self._listeners:
                self._pause(error)
            return False
        if listener in self._proxied.listeners:
            self._accept_proxied(sock, address, listener)
            return True
        leave = None
        if self._admission is not None and (leave := self._admission.enter(find_address(address))) is None:
            sock.close()
            return True
        try:
            connection = self._make(sock, address, listener)
            connection.leave = leave
            self._reading.add(connection)
            self._accepted.append(connection)
        except OSError as error:
            sock.close()
            if leave is not None:
                leave()
            error_log.debug("a connection was gone before it was looked at: %s", error)
        return True

    def _accept_proxied(self, sock: socket.SocketType, address: object, listener: Listener) -> None:
        """Have the proxy say first whose connection it is. What it says is told by the poller."""
        try:
            connection = self._make(sock, address, listener)
            if self._proxied.trusts(connection, listener):
                self._proxied.add(connection)
            else:
                connection.close()
        except OSError as error:
            sock.close()
            error_log.debug("a proxy was gone before it was looked at: %s", error)

    def _make(self, sock: socket.SocketType, address: object, listener: Listener) -> Connection:
        if self._context is None or listener in self._plain:
            plain = PlainConnection()
            peer = forget_port(make_peer(sock, address, listener.local, plain, self._v6_prefix))
            return Connection(sock, plain, peer, time.monotonic() + self._timeout)
        tls = self._context.make_connection()
        peer = make_peer(sock, address, listener.local, tls, self._v6_prefix)
        return Connection(sock, tls, peer, time.monotonic() + self._timeout)

    # Deadlines

    def next_deadline(self) -> float:
        """When a pause is over, in monotonic seconds."""
        return math.inf if self._paused_until is None else self._paused_until

    def expire(self, now: float) -> None:
        """Accept again after a pause, and look at the listeners once a second."""
        if self._paused_until is not None and now >= self._paused_until:
            self._paused_until = None
            self._watch()
        elif self._are_watched and now >= self._next_look:
            # The kernel has woken one worker alone for a connection (EPOLLEXCLUSIVE), which may be unable to run.
            self._next_look = now + _LOOK_INTERVAL
            for listener in list(self._listeners.values()):
                self._accept(listener)
