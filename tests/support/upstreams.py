"""An upstream in the test's own thread: it accepts, and gives its sockets to the test."""

import select
import socket
from contextlib import contextmanager

from gemd.config.pass_settings import PassHost
from gemd.worker.lookups import Lookups
from gemd.worker.passing import Passing
from gemd.worker.room import Room
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.upstream import Upstream
from tests.support.waiting import LONGEST


class Server:
    """Listens on the loopback."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.accepted = []

    @property
    def place(self):
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        """The next connection."""
        self.listener.settimeout(LONGEST)
        sock, _ = self.listener.accept()
        sock.settimeout(LONGEST)
        self.accepted.append(sock)
        return sock

    def is_asked(self):
        """Whether somebody has connected."""
        return bool(select.select([self.listener], [], [], 0)[0])

    def close(self):
        for sock in (self.listener, *self.accepted):
            sock.close()


@contextmanager
def blackhole():
    """The place of a listener that answers nobody, since its backlog is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    try:
        while True:
            sock = socket.socket()
            fillers.append(sock)
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            if not select.select([], [sock], [], 0.1)[1]:
                break
        yield listener.getsockname()
    finally:
        for sock in (listener, *fillers):
            sock.close()


def upstream_at(place, send_proxy=None):
    """Of the host b.example."""
    return Upstream(PassHost(name="b.example", pass_to=place, send_proxy=send_proxy), Lookups(ThreadPool(1)))


class Stage:
    """Passing, and what it tells of."""

    def __init__(self, poller, writing, closing, losses, timeouts, most=100, listeners=()):
        self.logged = []
        report_loss = lambda _, reason: losses.append(reason)  # noqa: E731
        self.room = Room(writing, closing, most)
        self.passing = Passing(
            poller, listeners, self.room, closing, timeouts, report_loss, lambda one: self.logged.append(one)
        )
        self.poller = poller

    def begin(self, connection, upstream, first=b"hello"):
        """Pass on a connection that was read so far."""
        self.poller.register(connection.fd, select.EPOLLIN, lambda *_: None, connection)
        self.passing.begin(connection, first, b"B.Example", upstream)

    def end(self):
        """Nobody stays."""
        for state in (self.passing._connecting._connections, *self.passing._pumped):
            for connection in list(state):
                self.passing.drop(connection, "the test is over")
