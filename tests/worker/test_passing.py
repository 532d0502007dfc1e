"""Connections that are passed on: both directions over real sockets, a turn at a time."""

import random
import socket
import struct
import time

import pytest

from gemd.config.settings import Timeouts
from gemd.config.types import Address
from gemd.system.client_socket import count_undelivered
from gemd.system.listener import Listener
from tests.support.descriptors import open_descriptors
from tests.support.gemini_client import tcp_pair
from tests.support.upstreams import Server, Stage, upstream_at
from tests.support.waiting import wait_for
from tests.worker.conftest import expire

ABORT = struct.pack("ii", 1, 0)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def make_stage(poller, make_writing, losses):
    made = []

    def make(most=100, listeners=(), **timeouts):
        writing = make_writing(most=most)
        made.append(Stage(poller, writing, writing.closing, losses, Timeouts(**timeouts), most, listeners))
        return made[-1]

    yield make
    for stage in made:
        stage.end()


@pytest.fixture
def begin(connect, server, until):
    """A client whose connection is passed on, and the upstream's end of it."""

    def begin(stage, upstream=None, **options):
        client, connection = connect(tcp_pair(receive=8192, send=8192))
        stage.begin(connection, upstream or upstream_at(server.place), **options)
        until(lambda: server.is_asked(), "a connection to the upstream")
        link = server.accept()
        until(lambda: not len(stage.passing._connecting), "both to be connected")
        return client.socket, link

    return begin


def exchange(turn, sock, size):
    """What a socket receives, so many bytes or up to its end."""
    sock.setblocking(False)
    got = b""

    def read():
        nonlocal got
        turn()
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return False
        got += data
        return not data or len(got) >= size

    wait_for(read, f"{size} bytes")
    return got


def ends(turn, sock):
    """How a socket ends: "whole" or "reset"."""
    sock.setblocking(False)

    def read():
        turn()
        try:
            return "" if sock.recv(65536) else "whole"
        except BlockingIOError:
            return ""
        except ConnectionResetError:
            return "reset"

    return wait_for(read, "the end")


def test_what_was_read_comes_first_and_then_both_directions_flow(make_stage, begin, turn):
    stage = make_stage()
    client, link = begin(stage, first=b"hello ")
    assert exchange(turn, link, 6) == b"hello "
    client.send(b"finished")
    assert exchange(turn, link, 8) == b"finished"
    link.send(b"answer")
    assert exchange(turn, client, 6) == b"answer"
    (connection,) = stage.passing._flowing
    assert [flow.sent for flow in connection.flows] == [14, 6]
    assert len(stage.passing) == 1
    assert connection in stage.passing


def test_an_answer_and_its_end(make_stage, begin, turn, losses, until):
    stage = make_stage()
    client, link = begin(stage)
    link.send(b"answer")
    link.shutdown(socket.SHUT_WR)
    assert exchange(turn, client, 100) == b"answer"
    assert [len(state) for state in stage.passing._pumped] == [1, 0, 0]
    client.send(b"bye")  # a close_notify, which arrives
    client.shutdown(socket.SHUT_WR)
    assert exchange(turn, link, 100) == b"hellobye"
    until(lambda: not len(stage.passing), "the end")
    (connection,) = stage.logged
    assert (connection.complete, connection.name, losses) == (True, "b.example", [])
    assert [flow.sent for flow in connection.flows] == [8, 6]


def test_a_client_that_has_only_stopped_sending_gets_its_answer(make_stage, begin, turn, until):
    stage = make_stage()
    client, link = begin(stage)
    client.shutdown(socket.SHUT_WR)
    assert exchange(turn, link, 100) == b"hello"
    assert turn() == 0  # nothing is told again and again
    link.send(b"late answer")
    link.shutdown(socket.SHUT_WR)
    assert exchange(turn, client, 100) == b"late answer"
    until(lambda: not len(stage.passing), "the end")
    assert stage.logged[0].complete


def test_a_client_that_does_not_close_after_the_answer_lingers(make_stage, begin, turn, losses, until):
    stage = make_stage(close=0.5)
    client, link = begin(stage)
    link.send(b"answer")
    link.shutdown(socket.SHUT_WR)
    assert exchange(turn, client, 100) == b"answer"
    expire(stage.passing, time.monotonic() + 1.0)
    assert ends(turn, link) == "whole"
    assert (len(stage.passing), len(stage.passing._closing), losses) == (0, 1, [])
    assert stage.logged[0].complete
    client.send(b"bye")
    client.close()
    until(lambda: not len(stage.passing._closing), "the client's end")


def test_an_upstream_that_is_gone_after_its_answer_takes_nothing_from_the_client(
    make_stage, begin, turn, losses, until
):
    stage = make_stage()
    client, link = begin(stage)
    data = random.Random(2).randbytes(100_000)
    exchange(turn, link, 5)
    assert link.send(data) == len(data)
    wait_for(lambda: turn() == 0 and not count_undelivered(link), "all to be here")
    assert len(stage.passing.blocked) == 1
    link.close()  # what the client sends from now on finds nobody
    client.send(b"more")
    wait_for(lambda: turn() == 0, "that to be noticed")
    assert exchange(turn, client, len(data)) == data
    client.send(b"still more")
    assert ends(turn, client) == "whole"
    assert (stage.logged[0].complete, losses) == (True, [])
    client.close()
    until(lambda: not len(stage.passing._closing), "the client's end")


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_a_reset_is_passed_on_as_one(make_stage, begin, turn, losses, side):
    stage = make_stage()
    client, link = begin(stage)
    link.send(b"half of an answer")
    exchange(turn, client, 10)
    exchange(turn, link, 5)
    here, there = (client, link) if side == "client" else (link, client)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    here.close()
    assert ends(turn, there) == "reset"
    (loss,) = losses
    assert loss.endswith(f"broke off: the {side} left: ECONNRESET")
    assert (len(stage.passing), stage.logged[0].complete) == (0, False)


def fill(turn, sock, stage):
    """Send until nothing more is taken; how much was."""
    sock.setblocking(False)
    total = 0
    quiet = 0
    while quiet < 3:
        try:
            total += sock.send(bytes(65536))
            quiet = 0
        except BlockingIOError:
            quiet += not turn(0.01)
    return total


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_who_takes_nothing_stops_the_other(make_stage, begin, turn, losses, side):
    stage = make_stage(response=30.0)
    client, link = begin(stage)
    exchange(turn, link, 5)
    total = fill(turn, client if side == "upstream" else link, stage)
    (connection,) = stage.passing.blocked
    assert 0 < connection.held <= 64 * 1024
    assert total < 64 << 20
    assert turn() == 0
    now = connection.renewed
    expire(stage.passing, now + 29.0)
    assert len(stage.passing) == 1
    expire(stage.passing, now + 31.0)
    assert ends(turn, client) == "reset"
    assert losses[0].endswith("what was sent is taken too slowly")
    assert not stage.logged[0].complete


def test_who_takes_enough_has_the_whole_time_again(make_stage, begin, turn, until):
    stage = make_stage(response=30.0)
    client, link = begin(stage)
    exchange(turn, link, 5)
    fill(turn, link, stage)
    (connection,) = stage.passing.blocked
    first = connection.deadline
    exchange(turn, client, 200_000)
    until(lambda: connection.progress >= 128 * 1024 or connection.deadline > first, "progress")
    expire(stage.passing, first + 0.001)
    assert connection.deadline > first
    assert connection in stage.passing


def test_a_client_that_left_while_the_upstream_takes_nothing_is_not_told_of_again_and_again(
    make_stage, begin, turn, losses, until
):
    stage = make_stage(response=30.0)
    client, link = begin(stage)
    link.send(b"59 too much")
    link.shutdown(socket.SHUT_WR)  # it has answered, and reads no more
    exchange(turn, client, 11)
    fill(turn, client, stage)
    client.shutdown(socket.SHUT_WR)
    wait_for(lambda: turn(0.01) == 0, "rest")
    assert turn() == turn() == 0
    (connection,) = stage.passing.blocked
    got = exchange(turn, link, 1 << 30)  # all that came, up to its end
    assert len(got) == connection.flows[0].sent
    until(lambda: not len(stage.passing), "the end")
    assert (stage.logged[0].complete, losses) == (True, [])


def test_nothing_for_too_long(make_stage, begin, turn, losses):
    stage = make_stage(pass_idle=60.0)
    client, link = begin(stage)
    (connection,) = stage.passing._flowing
    first = connection.deadline
    link.send(b"something")
    exchange(turn, client, 9)
    assert connection.deadline > first  # whatever comes is a sign of life
    expire(stage.passing, connection.deadline - 1.0)
    assert len(stage.passing) == 1
    expire(stage.passing, connection.deadline + 1.0)
    assert ends(turn, client) == ends(turn, link) == "reset"
    assert losses[0].endswith("nothing came for 60 s")


def test_an_upstream_that_is_not_there(make_stage, connect, turn, server, losses):
    stage = make_stage()
    client, connection = connect(tcp_pair())
    place = server.place
    server.listener.close()
    stage.begin(connection, upstream_at(place))
    assert ends(turn, client.socket) in ("whole", "reset")
    assert stage.logged[0].failure == "Connection refused"
    assert (len(stage.passing), losses, stage.logged[0].flows) == (0, [], ())


def test_a_client_that_leaves_before_there_is_an_upstream(make_stage, connect, losses, monkeypatch, until):
    stage = make_stage()
    client, connection = connect(tcp_pair())
    upstream = upstream_at("b.invalid")
    monkeypatch.setattr(upstream, "resolve", lambda *_: None)
    stage.begin(connection, upstream)
    client.reset()
    until(lambda: not len(stage.passing), "the end")
    assert losses[0].endswith("the client left")


def test_one_that_is_passed_on_to_this_gemd_is_a_loop(make_stage, connect, turn, server):
    own = Listener(server.listener, Address("127.0.0.1", 0))
    stage = make_stage(listeners=[own])
    client, connection = connect(tcp_pair())
    stage.begin(connection, upstream_at(server.place))
    ends(turn, client.socket)
    assert "this is a loop" in stage.logged[0].failure


# Places


def test_the_oldest_goes_when_there_are_too_many(make_stage, begin, turn, losses):
    stage = make_stage(most=3)
    made = [begin(stage) for _ in range(3)]
    made[0][1].send(b"sign of life")
    exchange(turn, made[0][0], 12)
    begin(stage)
    assert ends(turn, made[1][0]) == "reset"  # who was quiet for longest
    assert len(stage.passing) == 3
    assert losses == [losses[0]]
    made[2][1].shutdown(socket.SHUT_WR)
    assert exchange(turn, made[2][0], 100) == b""
    begin(stage)
    assert ends(turn, made[2][1]) == "reset"  # who was done


def test_who_is_answered_takes_places_from_those_who_are_passed_on(make_stage, begin, counted):
    stage = make_stage(most=4)
    for _ in range(4):
        begin(stage)
    writing = stage.room._writing
    assert writing.room == 0
    assert writing.take_place(1)
    assert (len(stage.passing), writing.room) == (3, 1)
    assert not writing.take_place(3)
    assert len(stage.passing) == 3
    assert counted()["evictions"] == {"passing": 1}


def test_nothing_stays_open(make_stage, begin, turn, server, connect):
    stage = make_stage(most=5)
    before = len(open_descriptors())
    made = [begin(stage) for _ in range(10)]
    stage.end()
    for client, link in made:
        client.close()
        link.close()
    assert len(open_descriptors()) == before
    assert len(stage.logged) == 10
