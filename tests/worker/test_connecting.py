"""The way to an upstream: which addresses are tried, for how long, and what is sent first."""

import os
import socket
import time
from types import SimpleNamespace

import pytest

from gemd.config.types import Address
from gemd.protocol.proxy_header import Endpoint
from gemd.protocol.proxy_reader import ProxyHeaderReader
from gemd.protocol.response import ResolveError
from gemd.system import dial as dial_module
from gemd.system.dial import is_connected
from gemd.worker.connecting import Connecting
from gemd.worker.passed import PassedConnection
from tests.support.upstreams import Server, blackhole, upstream_at
from tests.worker.conftest import expire  # noqa: F401


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


class Way:
    """Connecting, and what came of each."""

    def __init__(self, poller, monkeypatch, listeners=()):
        self.monkeypatch = monkeypatch
        self.connected, self.failed = [], []
        self.connecting = Connecting(poller, listeners, self._connect, self._fail)

    def _connect(self, connection):
        self.connecting.forget(connection)
        self.connected.append(connection)

    def _fail(self, connection):
        self.connecting.forget(connection)
        self.failed.append(connection.failure)

    def expire(self, now):
        self.monkeypatch.setattr(dial_module.time, "monotonic", lambda: now)
        for connection in self.connecting.expired(now):
            self.connecting.time_out(connection)
        self.monkeypatch.undo()


@pytest.fixture
def make_way(poller, monkeypatch):
    return lambda **options: Way(poller, monkeypatch, **options)


@pytest.fixture
def make_passed(connect, poller):
    made = []

    def make(upstream, first=b"hello"):
        _, connection = connect()
        made.append(PassedConnection(connection, first, "b.example", upstream))
        return made[-1]

    yield make
    for connection in made:
        if connection.dial is not None and connection.dial.descriptor is not None:
            poller.unregister(connection.dial.descriptor)
        connection.close()


def targets(*places):
    return [(int(socket.AF_INET), place) for place in places]


def test_it_connects_and_sends_what_was_read(make_way, make_passed, server, until):
    way, passed = make_way(), make_passed(upstream_at(server.place))
    way.connecting.begin(passed)
    until(lambda: way.connected, "a connection")
    assert passed.up.kept == b"hello"
    assert (passed.first, len(way.connecting)) == (b"", 0)
    passed.up.pump()
    assert server.accept().recv(10) == b"hello"
    assert passed.up.sent == 5


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_proxy_header_goes_first_and_does_not_count(make_way, make_passed, server, version, until):
    way, passed = make_way(), make_passed(upstream_at(server.place, version))
    passed.hops = 3
    way.connecting.begin(passed)
    until(lambda: way.connected, "a connection")
    passed.up.pump()
    reader = ProxyHeaderReader()
    header = reader.feed(server.accept().recv(1000))
    assert (header.source, header.destination) == (Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 1965))
    assert (header.hops, header.server_name) == ((4, "b.example") if version == "v2" else (0, None))
    assert (reader.rest, passed.up.sent) == (b"hello", 5)


def test_without_one_nothing_goes_first(make_way, make_passed, server, until):
    way, passed = make_way(), make_passed(upstream_at(server.place))
    way.connecting.begin(passed)
    until(lambda: way.connected, "a connection")
    passed.up.pump()
    assert server.accept().recv(1000) == b"hello"


def test_who_was_passed_on_too_often_is_not_again(make_way, make_passed, server):
    way, passed = make_way(), make_passed(upstream_at(server.place))
    passed.hops = 8
    way.connecting.begin(passed)
    assert way.failed == ["this is a loop: 8 gemd have passed it on already"]
    assert not server.is_asked()


def test_all_addresses_are_tried(make_way, make_passed, server, until):
    upstream = upstream_at("b.internal")
    closed = socket.create_server(("127.0.0.1", 0))
    place = closed.getsockname()
    closed.close()
    upstream.resolve = lambda *_: targets(place, place, server.listener.getsockname())
    way, passed = make_way(), make_passed(upstream)
    way.connecting.begin(passed)
    until(lambda: way.connected, "a connection")
    assert is_connected(passed.link)


def test_one_that_does_not_answer_leaves_time_for_the_others(make_way, make_passed, server, turn, until):
    with blackhole() as place:
        upstream = upstream_at("b.internal")
        upstream.resolve = lambda *_: targets(place, server.listener.getsockname())
        way, passed = make_way(), make_passed(upstream)
        begin = time.monotonic()
        way.connecting.begin(passed)
        assert turn() == 0
        assert begin + 2.0 < way.connecting.next_deadline() < begin + 3.0  # half of the time
        way.expire(begin + 2.0)
        assert len(way.connecting) == 1
        way.expire(begin + 3.0)
        until(lambda: way.connected, "a connection")


def test_none_that_answers(make_way, make_passed):
    with blackhole() as place:
        way, passed = make_way(), make_passed(upstream_at(f"127.0.0.1:{place[1]}"))
        way.connecting.begin(passed)
        way.expire(time.monotonic() + 5.1)
        assert way.failed == ["it does not answer"]
        assert passed.link is None


def test_an_address_that_comes_later(make_way, make_passed, server, poller, until):
    upstream, asked = upstream_at("b.internal"), []
    answer = None

    def resolve(key, wake):
        asked.append((key, wake))
        return answer

    upstream.resolve = resolve
    way, passed = make_way(), make_passed(upstream)
    way.connecting.begin(passed)
    assert (len(way.connecting), passed.link) == (1, None)
    answer = targets(server.listener.getsockname())
    assert asked[0][0] is passed
    asked[0][1]()
    assert poller.woken.popleft() is passed
    way.connecting.resume(passed)
    until(lambda: way.connected, "a connection")


def test_an_address_that_comes_too_late(make_way, make_passed):
    upstream, forgotten = upstream_at("b.internal"), []
    upstream.resolve = lambda *_: None
    upstream.forget = forgotten.append
    way, passed = make_way(), make_passed(upstream)
    way.connecting.begin(passed)
    way.expire(time.monotonic() + 5.1)
    assert way.failed == ["it could not be looked up in time"]
    assert forgotten == [passed]


def test_a_name_without_an_address(make_way, make_passed):
    upstream = upstream_at("b.internal")

    def resolve(*_):
        raise ResolveError("it can't be looked up: no such name")

    upstream.resolve = resolve
    way, passed = make_way(), make_passed(upstream)
    way.connecting.begin(passed)
    assert way.failed == ["it can't be looked up: no such name"]
    assert len(way.connecting) == 0


def test_a_unix_socket_whose_backlog_is_full_is_asked_again(make_way, make_passed, tmp_path, until):
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(path)
    way, passed = make_way(), make_passed(upstream_at(f"unix:{path}"))
    way.connecting.begin(passed)
    assert (len(way.connecting), passed.link) == (1, None)
    listener.accept()[0].close()
    way.expire(time.monotonic() + 0.1)
    until(lambda: way.connected, "a connection")
    filler.close()
    listener.close()


def test_an_event_for_a_socket_that_had_this_number_before_is_none(make_way, make_passed):
    with blackhole() as place:
        way, passed = make_way(), make_passed(upstream_at(f"127.0.0.1:{place[1]}"))
        way.connecting.begin(passed)
        way.connecting._advance(passed, 1)
        assert (len(way.connecting), way.connected, way.failed) == (1, [], [])


@pytest.mark.parametrize("local", [None, ("127.0.0.1", 0)], ids=["any", "one"])
def test_this_gemd_is_no_upstream(make_way, make_passed, server, local, until):
    port = server.listener.getsockname()[1]
    own = SimpleNamespace(address=Address("x", port), port=port, local=local and (local[0], port))
    way, passed = make_way(listeners=[own]), make_passed(upstream_at(server.place))
    way.connecting.begin(passed)
    until(lambda: way.failed, "the end")
    assert way.failed == ["this is a loop: gemd itself listens there"]


def test_nor_is_it_by_another_loopback_address(make_way, make_passed, until):
    """As which /etc/hosts has the machine's own name, on Debian 127.0.1.1; it is connected to from 127.0.0.1."""
    with socket.create_server(("127.0.1.1", 0)) as listener:
        port = listener.getsockname()[1]
        own = SimpleNamespace(address=Address("0.0.0.0", port), port=port, local=None)
        way, passed = make_way(listeners=[own]), make_passed(upstream_at(f"127.0.1.1:{port}"))
        way.connecting.begin(passed)
        until(lambda: way.failed or way.connected, "the end")
    assert way.failed == ["this is a loop: gemd itself listens there"]


def test_nor_is_it_by_its_unix_socket(make_way, make_passed, tmp_path):
    path = os.fspath(tmp_path / "s")
    own = SimpleNamespace(address=Address("unix", 0, path), port=0, local=None)
    way, passed = make_way(listeners=[own]), make_passed(upstream_at(f"unix:{path}"))
    way.connecting.begin(passed)
    assert way.failed == ["this is a loop: gemd itself listens there"]


def test_nor_by_a_link_to_that(make_way, make_passed, tmp_path):
    path, other = os.fspath(tmp_path / "s"), os.fspath(tmp_path / "link")
    os.symlink(path, other)
    own = SimpleNamespace(address=Address("unix", 0, path), port=0, local=None)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        way, passed = make_way(listeners=[own]), make_passed(upstream_at(f"unix:{other}"))
        way.connecting.begin(passed)
    assert way.failed == ["this is a loop: gemd itself listens there"]
