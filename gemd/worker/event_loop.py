"""The lobby: where connections wait for their request to be complete, and again to be seen out.

Rules: nothing here blocks but the one wait; a connection has one deadline from accept to the end of its request line,
so that a slow client costs a descriptor and no more; when the lobby is full the oldest leaves. Connections that are
already inside go before new ones.
"""

import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from gemd.config.settings import Timeouts
from gemd.protocol.errors import GeminiError
from gemd.system import process
from gemd.system.client_socket import acknowledge_now, is_undelivered, make_peer
from gemd.system.listener import Listener
from gemd.system.log import error_log
from gemd.system.tls import Context, TLSConnection, TLSError, Want
from gemd.worker.connection import Connection

_MAX_EVENTS = 64
_RECEIVE = 2048
_HURRY = 1.0  # seconds that are left to those who have not asked yet, when the worker has to stop
_CROWD = 200  # connections at once, after which an empty lobby is worth tidying
_ACCEPT_PAUSE = 0.1  # seconds without accepting after this machine ran out of something
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Ordered = dict[int, Connection]


class Lobby:
    """Connections by descriptor, oldest first. `ready` has those whose request is complete, or refused; `returned`
    those that come back to the desk. `on_loss` is told of each connection that ended without an answer, and why.
    """

    def __init__(self, listeners: Sequence[Listener], context: Context, timeouts: Timeouts, size: int) -> None:
        self.ready: deque[Connection] = deque()
        self.returned: deque[Connection] = deque()
        self._context = context
        self._timeouts = timeouts
        self._size = size
        self._patience = timeouts.response  # from accept, after which the rest of a delivery is left to the kernel
        self.on_loss: Callable[[Connection, str], None] = lambda _connection, _reason: None
        self._arriving: Ordered = {}
        self._flushing: Ordered = {}
        self._leaving: Ordered = {}
        self._epoll = select.epoll()
        self._listeners = {listener.socket.fileno(): listener for listener in listeners}
        self._paused_until: float | None = None
        self._crowd = 0
        self._watched: dict[int, Callable[[], None]] = {}
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.watch(self._wakeup, self._read_wakeup)
        self._listen()

    def is_empty(self) -> bool:
        """Whether nobody is in here, arriving or leaving."""
        return not (self._arriving or self._flushing or self._leaving or self.ready or self.returned)

    @property
    def states(self) -> tuple[int, int, int]:
        """How many connections are being read from, being written to, and lingering."""
        return len(self._arriving), len(self._flushing), len(self._leaving)

    def watch(self, fd: int, act: Callable[[], None]) -> None:
        """Call `act` whenever `fd` is readable."""
        self._watched[fd] = act
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Watch `fd` no longer."""
        del self._watched[fd]
        self._epoll.unregister(fd)

    def wait(self, timeout: float) -> None:
        """Let things happen until something is ready, or for `timeout` seconds."""
        waiting: list[Listener] = []
        for fd, events in self._epoll.poll(self._shorten(timeout), _MAX_EVENTS):
            if fd in self._arriving:
                self._advance(self._arriving[fd])
            elif fd in self._leaving:
                if self._leaving[fd].drain(has_ended=bool(events & select.EPOLLHUP)):
                    self._leaving.pop(fd).close()
            elif fd in self._flushing:
                self.see_out(self._flushing[fd])
            elif fd in self._listeners:
                waiting.append(self._listeners[fd])
            elif fd in self._watched:
                self._watched[fd]()
        for listener in waiting:
            self._accept(listener)
        self._expire()

    # Arriving

    def _listen(self) -> None:
        for fd in self._listeners:
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def stop_listening(self, *, hurry: bool) -> None:
        """Let those in who are waiting at the door, then close it; those inside go on.

        `hurry` leaves a second to those who have not asked yet, and less patience with those who read slowly.
        """
        listeners, self._listeners = self._listeners, {}
        was_paused = self._paused_until is not None
        for fd, listener in listeners.items():
            if not was_paused:
                self._epoll.unregister(fd)  # closing would not do: other processes hold the same socket
            for _ in range(self._size):
                if not self._accept(listener):
                    break
            listener.close()
        self._paused_until = None
        if hurry:
            self._patience = 0.0
            soon = time.monotonic() + _HURRY
            for connection in self._arriving.values():
                connection.deadline = min(connection.deadline, soon)

    def _accept(self, listener: Listener) -> bool:
        """Take one connection; False when there is none. No failure here may end the worker, or make the loop hot."""
        try:
            sock, address = listener.socket.accept()
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                self._pause(error)
            return False
        try:
            sock.setblocking(False)
            connection = self._greet(sock, address)
        except (OSError, TLSError) as error:
            sock.close()
            error_log.debug("a connection was gone before it was greeted: %s", error)
            return True
        if len(self._arriving) >= self._size:
            self._lose(next(iter(self._arriving.values())), "left because the lobby was full")
        self._arriving[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)
        self._advance(connection)
        return True

    def _greet(self, sock: socket.socket, address: object) -> Connection:
        tls = TLSConnection(self._context, sock)
        return Connection(sock, tls, make_peer(sock, address, tls), time.monotonic() + self._timeouts.request)

    def _pause(self, error: OSError) -> None:
        if self._paused_until is None:
            error_log.warning("not accepting for %.1f s: %s", _ACCEPT_PAUSE, error.strerror)
            for fd in self._listeners:
                self._epoll.unregister(fd)
        self._paused_until = time.monotonic() + _ACCEPT_PAUSE

    def _advance(self, connection: Connection) -> None:
        """As far as the bytes that are here reach: handshake, then request line."""
        try:
            if not connection.handshaken:
                want = connection.tls.handshake()
                if want is not Want.NOTHING:
                    if want is Want.WRITE:
                        self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)
                    return
                connection.handshaken = True
            while connection.request is None:
                data = connection.tls.receive(_RECEIVE)
                if data is None:
                    acknowledge_now(connection.socket)
                    return
                if not data:
                    raise TLSError("the client left before its request was complete")
                connection.request = connection.reader.feed(data)
        except TLSError as error:
            self._lose(connection, f"{'request' if connection.handshaken else 'handshake'} failed: {error}")
            return
        except GeminiError as refusal:
            connection.refusal = refusal
        del self._arriving[connection.fd]
        self.ready.append(connection)

    def _lose(self, connection: Connection, reason: str) -> None:
        del self._arriving[connection.fd]
        self.on_loss(connection, reason)
        connection.close()

    # Leaving

    def let_out(self, connection: Connection) -> None:
        """Stop watching a connection that leaves the desk."""
        self._epoll.unregister(connection.fd)

    def let_in(self, connection: Connection) -> None:
        """Watch a connection again that is back at the desk."""
        connection.waits = None
        self._epoll.register(connection.fd, select.EPOLLIN)

    def bring_back(self, connection: Connection) -> None:
        """Put a connection among the returned. The only method that runs in other threads."""
        self.returned.append(connection)
        os.eventfd_write(self._wakeup, 1)

    def _read_wakeup(self) -> None:
        os.eventfd_read(self._wakeup)

    def see_out(self, connection: Connection) -> None:
        """Deliver what is left of a complete answer, then close_notify, and close when the client has it.

        An answer that is not complete ends at once and without close_notify, so that the client can tell.
        """
        if not connection.complete:
            connection.close()
            return
        if connection.waits is not None:
            self.let_in(connection)
        try:
            if not (connection.flush() and connection.say_goodbye()):
                self._epoll.modify(connection.fd, select.EPOLLOUT)
                if connection.fd not in self._flushing:
                    connection.deadline = time.monotonic() + self._timeouts.response
                    self._flushing[connection.fd] = connection
                    self._make_room()
                return
        except TLSError as error:
            self._flushing.pop(connection.fd, None)
            self.on_loss(connection, f"response broke off: {error}")
            connection.close()
            return
        if connection.fd in self._flushing:
            self._epoll.modify(connection.fd, select.EPOLLIN)
            del self._flushing[connection.fd]
        connection.deadline = time.monotonic() + self._timeouts.close
        self._leaving[connection.fd] = connection
        self._make_room()

    def _make_room(self) -> None:
        """When too many are being seen out, the oldest goes; what its kernel has yet to deliver is delivered anyhow."""
        while len(self._leaving) + len(self._flushing) > self._size:
            if self._leaving:
                self._leaving.pop(next(iter(self._leaving))).close()
            else:
                oldest = self._flushing.pop(next(iter(self._flushing)))
                self.on_loss(oldest, "response broke off: too many read too slowly")
                oldest.close()

    # Deadlines

    def _shorten(self, timeout: float) -> float:
        """The timeout, or less when a deadline comes first: each kind has one length, so its oldest is its next."""
        if self.returned or self.ready:
            return 0.0
        ends = [next(iter(o.values())).deadline for o in (self._arriving, self._flushing, self._leaving) if o]
        if self._paused_until is not None:
            ends.append(self._paused_until)
        return max(0.0, min(timeout, min(ends) - time.monotonic())) if ends else timeout

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in _late(self._arriving, now):
            stage = "request" if connection.handshaken else "handshake"
            self._lose(connection, f"{stage} timed out after {now - connection.accepted:.1f} s")
        for connection in _late(self._flushing, now):
            del self._flushing[connection.fd]
            self.on_loss(connection, "response broke off: the client reads too slowly")
            connection.close()
        for connection in _late(self._leaving, now):
            self._part(connection, now)
        self._crowd = max(self._crowd, len(self._arriving))
        if self._crowd >= _CROWD and not self._arriving:
            self._crowd = 0
            process.give_memory_back()  # 50 KB for each that was here
        if self._paused_until is not None and now >= self._paused_until:
            self._paused_until = None
            self._listen()

    def _part(self, connection: Connection, now: float) -> None:
        """Close, unless the client is still receiving and may yet send something that would destroy the rest."""
        del self._leaving[connection.fd]
        if is_undelivered(connection.socket) and now - connection.accepted < self._patience:
            connection.deadline = now + self._timeouts.close
            self._leaving[connection.fd] = connection
        else:
            connection.close()


def _late(connections: Ordered, now: float) -> list[Connection]:
    late: list[Connection] = []
    for connection in connections.values():
        if connection.deadline > now:
            break
        late.append(connection)
    return late
