"""Connecting without waiting."""

import os
import socket
import time

import pytest

from gemd.system import dial as module
from gemd.system.dial import Dial, DialError, is_connected
from tests.support.upstreams import Server, blackhole
from tests.support.waiting import wait_for

V4 = int(socket.AF_INET)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def dial():
    made = []

    def dial(*targets, seconds=5.0):
        made.append(Dial(targets, time.monotonic() + seconds))
        return made[-1]

    yield dial
    for one in made:
        one.close()


@pytest.fixture
def closed_place():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()


def finish(one):
    found = []
    wait_for(lambda: found.append(one.advance()) or found[-1], "a connection")
    assert one.descriptor is None
    return found[-1]


def test_a_tcp_socket(dial, server):
    with finish(dial((V4, server.listener.getsockname()))) as sock:
        assert sock.getpeername() == server.listener.getsockname()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert (sock.getblocking(), os.get_inheritable(sock.fileno())) == (False, False)


def test_a_unix_socket(dial, tmp_path):
    path = os.fspath(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        finish(dial((int(socket.AF_UNIX), path))).close()


def test_all_addresses_are_tried(dial, server, closed_place):
    targets = [(V4, closed_place), (V4, closed_place), (V4, server.listener.getsockname())]
    finish(dial(*targets)).close()


@pytest.mark.parametrize("count", [1, 2])
def test_none_that_listens(dial, closed_place, count):
    one = dial(*[(V4, closed_place)] * count)
    with pytest.raises(DialError, match="Connection refused"):
        finish(one)
    assert one.descriptor is None


def test_no_such_socket(dial, tmp_path):
    with pytest.raises(DialError, match="No such file or directory"):
        dial((int(socket.AF_UNIX), os.fspath(tmp_path / "none"))).advance()


def test_without_an_address_nobody_answers(dial):
    with pytest.raises(DialError, match="does not answer"):
        dial().advance()


def test_one_that_does_not_answer_leaves_time_for_the_others(dial, server, monkeypatch):
    with blackhole() as place:
        begin = time.monotonic()
        one = dial((V4, place), (V4, server.listener.getsockname()))
        assert one.advance() is None
        first = one.descriptor
        assert first is not None
        assert begin + 2.0 < one.deadline < begin + 3.0  # half of the time
        assert one.advance() is None  # told of too early, it goes on
        assert one.descriptor == first
        monkeypatch.setattr(module.time, "monotonic", lambda: begin + 3.0)
        with finish(one) as sock:
            assert is_connected(sock)


def test_none_that_answers(dial, monkeypatch):
    with blackhole() as place:
        one = dial((V4, place))
        assert one.advance() is None
        later = time.monotonic() + 5.1
        monkeypatch.setattr(module.time, "monotonic", lambda: later)
        with pytest.raises(DialError, match="it does not answer"):
            one.advance()
        assert one.descriptor is None


def test_a_unix_socket_whose_backlog_is_full_is_asked_again(dial, tmp_path):
    path = os.fspath(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        one = dial((int(socket.AF_UNIX), path))
        assert one.advance() is None
        assert one.descriptor is None
        assert one.deadline < time.monotonic() + 0.1
        listener.accept()[0].close()
        finish(one).close()


def test_one_whose_backlog_stays_full_is_named(dial, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_RETRY_INTERVAL", 0.0)
    path = os.fspath(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        with pytest.raises(DialError, match="its backlog is full"):
            finish(dial((int(socket.AF_UNIX), path), seconds=0.05))


def test_what_was_closed_is_closed_again_without_harm(dial):
    with blackhole() as place:
        one = dial((V4, place))
        one.advance()
        one.close()
        one.close()
        assert one.descriptor is None
