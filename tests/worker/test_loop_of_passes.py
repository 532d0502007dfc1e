"""The event loop with hosts that are passed on: who is woken, counted, shed, and what a fault ends."""

import socket

import pytest

from gemd.config.host_settings import Host
from gemd.config.listen import Listen
from gemd.config.pass_settings import PassHost
from gemd.config.settings import Limits, Timeouts
from gemd.config.types import Address
from gemd.shared.under_way import SIZE, UnderWay
from gemd.system.listener import Listener
from gemd.worker.event_loop import EventLoop
from gemd.worker.lookups import Lookups
from gemd.worker.passed import Passes
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.upstream import find_upstreams
from tests.support.gemini_client import Client
from tests.support.tls_client import make_context
from tests.support.upstreams import Server
from tests.support.waiting import wait_for


class Stage:
    """An event loop, its upstream, and clients."""

    def __init__(self, context, losses, server, place, limits):
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # of accepted ones: a slow client shows soon
        sock.setblocking(False)
        self.address, self.server, self.logged = sock.getsockname(), server, []
        listener, pool = Listener(sock, Address("127.0.0.1", 0)), ThreadPool(2)
        lookups = Lookups(pool)
        find = find_upstreams([Host(name="localhost")], [PassHost(name="b.example", pass_to=place)], lookups)
        self.loop = EventLoop(
            {listener: Listen(address=listener.address)},
            context,
            Timeouts(),
            limits,
            100,
            pool,
            lookups,
            UnderWay(memoryview(bytearray(SIZE))),
            lambda _, reason: losses.append(reason),
            passes=Passes(find, self.logged.append),
        )
        self.sockets = []

    def until(self, condition, what):
        def is_so():
            self.loop.wait(0.01)
            return condition()

        wait_for(is_so, what)

    def connect(self, name):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(self.address)
        self.sockets.append(sock)
        client = Client(sock)
        client.tls = make_context().wrap_bio(client._incoming, client._outgoing, server_hostname=name)
        sock.sendall(client.hello())
        return client

    def pass_on(self):
        """A client that is passed on, and the upstream's end."""
        client = self.connect("b.example")
        self.until(self.server.is_asked, "the upstream to be asked")
        link = self.server.accept()
        self.until(lambda: not len(self.loop._states.passing._connecting), "both to be connected")
        return client.socket, link

    def close(self):
        for sock in self.sockets:
            sock.close()
        self.server.close()
        self.loop.stop_listening(is_urgent=True)
        self.until(self.loop.is_idle, "all to be gone")
        self.loop._poller.close()


@pytest.fixture
def make_stage(context, losses):
    made = []

    def make(name=None, limits=Limits()):  # noqa: B008, it is frozen
        server = Server()
        place = server.place if name is None else server.place.replace("127.0.0.1", name)
        made.append(Stage(context, losses, server, place, limits))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


def test_a_name_that_a_thread_has_looked_up_wakes_the_loop(make_stage):
    stage = make_stage("localhost")
    _, link = stage.pass_on()
    assert link.recv(1) == b"\x16"
    assert stage.loop.count() == (0, 0, 0, 1, 0)
    assert stage.loop.has_room(*stage.loop.count())
    assert not stage.loop.has_room(0, 50, 0, 50, 0)
    assert not stage.loop.is_idle()


def test_another_host_is_served_here(make_stage):
    stage = make_stage()
    client = stage.connect("localhost")
    stage.until(client.shake_hands, "the handshake")
    assert stage.loop.count() == (1, 0, 0, 0, 0)
    assert not stage.server.is_asked()


def test_those_who_take_nothing_are_shed_when_they_hold_too_much(make_stage, losses):
    stage = make_stage(limits=Limits(buffered=1 << 20))
    links = [stage.pass_on()[1] for _ in range(60)]  # of which each holds 64 KiB at most, and mostly half of that
    for link in links:
        link.setblocking(False)
    left = dict.fromkeys(links, 4 << 20)

    def feed():
        for link in links:
            try:
                left[link] -= link.send(bytes(65536))
            except OSError:
                continue
        return any("limits.buffered" in loss for loss in losses)

    stage.until(feed, "one to be shed")
    held = lambda: sum(connection.held for connection in stage.loop._states.passing.blocked)  # noqa: E731
    stage.until(lambda: held() <= 1 << 20, "as many as it takes to be shed")


def test_a_fault_ends_that_connection_alone(make_stage, monkeypatch, caplog, losses):
    stage = make_stage()
    (client, _), (other, link) = stage.pass_on(), stage.pass_on()

    def fail(*_):
        raise RuntimeError("of our own")

    with monkeypatch.context() as patch:
        patch.setattr(stage.loop._states.passing, "_settle", fail)
        client.send(b"x")
        stage.until(lambda: stage.loop.count() == (0, 0, 0, 1, 0), "it to be dropped")
    (record,) = caplog.records
    assert record.exc_info[0] is RuntimeError
    (loss,) = losses
    assert loss.endswith("broke off: a fault of gemd itself")
    link.send(b"answer")
    other.setblocking(True)
    stage.loop.wait(0.1)
    assert other.recv(6) == b"answer"
