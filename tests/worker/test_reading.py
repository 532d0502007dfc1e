"""From a new connection to a complete request, over a socket pair."""

import socket
import time

import pytest

from tests.support.gemini_client import tcp_pair
from tests.worker.conftest import URL, expire

MAX_BYTES = 16 * 1024


@pytest.fixture
def join(connect):
    """A new client of a Reading, and its connection."""

    def join(reading, sockets=None):
        client, connection = connect(sockets)
        reading.add(connection)
        return client, connection

    return join


@pytest.fixture
def shake(join, settle):
    """A client whose handshake is done."""

    def shake(reading, sockets=None):
        client, connection = join(reading, sockets)
        for _ in range(3):
            client.shake_hands()
            settle()
        assert connection.handshaken
        return client, connection

    return shake


@pytest.fixture(autouse=True)
def forget_those_who_are_ready(poller, ready):
    yield
    for connection in ready:
        poller.unregister(connection.fd)


def asked_for(ready):
    """The URL of the one connection that is ready."""
    (connection,) = ready
    return connection.request.url.text if connection.request else connection.refusal.meta


# Handshake and request line


def test_a_request_at_once(make_reading, shake, settle, ready):
    reading = make_reading()
    client, connection = shake(reading)
    client.send(URL)
    settle()
    assert asked_for(ready) == "gemini://localhost/"
    assert list(ready) == [connection]
    assert len(reading) == 0


def test_every_byte_for_itself(make_reading, join, settle, ready):
    reading = make_reading()
    client, _ = join(reading)
    for octet in client.hello():
        client.socket.send(bytes([octet]))
        settle()
    client.pull()
    client.tls.do_handshake()
    rest = client.encrypt(URL[:5]) + b"".join(client.encrypt(bytes([octet])) for octet in URL[5:])
    for octet in rest:
        assert not ready
        client.socket.send(bytes([octet]))
        settle()
    assert asked_for(ready) == "gemini://localhost/"


JUNK = {
    "in the same record": lambda client: client.encrypt(URL + b"junk"),
    "a full record of it": lambda client: client.encrypt(URL.ljust(16 * 1024, b"x")),
    "a full record behind": lambda client: client.encrypt(URL) + client.encrypt(b"x" * 16 * 1024),
    "much more than that": lambda client: client.encrypt(URL.ljust(100_000, b"x")),
    "that is no TLS": lambda client: client.encrypt(URL) + b"x" * 100,
    "another request": lambda client: client.encrypt(URL) + client.encrypt(URL),
}


@pytest.mark.parametrize("make", JUNK.values(), ids=JUNK)
def test_what_follows_a_request_has_no_meaning(make_reading, shake, turn, ready, make):
    reading = make_reading()
    client, _ = shake(reading)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    client.socket.send(make(client))
    for _ in range(20):
        if not ready:
            turn()
    assert asked_for(ready) == "gemini://localhost/"


def test_the_request_with_the_last_of_the_handshake(make_reading, join, settle, ready):
    client, _ = join(make_reading())
    client.socket.send(client.hello())
    settle()
    client.pull()
    client.tls.do_handshake()
    client.send(URL)
    settle()
    assert asked_for(ready) == "gemini://localhost/"


def test_a_request_that_is_none_is_refused(make_reading, shake, settle, ready, losses):
    reading = make_reading()
    client, _ = shake(reading)
    client.send(b"x" * 2000)
    settle()
    assert asked_for(ready) == "The URL is longer than 1024 bytes"
    assert losses == []
    assert len(reading) == 0


def test_half_a_request_waits(make_reading, shake, turn, settle, ready):
    reading = make_reading()
    client, _ = shake(reading)
    client.send(URL[:-1])
    settle()
    assert sum(turn() for _ in range(10)) == 0
    assert len(reading) == 1
    assert not ready


# Too much


def test_a_handshake_has_an_end(make_reading, join, settle, losses):
    reading = make_reading(max_bytes=2048)
    client, _ = join(reading)
    hello = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"  # the first of 16 KiB
    client.socket.send(hello.ljust(10_000, b"x"))
    settle()
    assert losses == ["handshake failed: more than 2048 bytes came and were not enough"]
    assert client.is_closed()
    assert len(reading) == 0


def test_so_have_many_small_messages_before_a_request(make_reading, shake, settle, losses):
    reading = make_reading()
    client, _ = shake(reading)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    client.socket.send(b"".join(client.encrypt(b"x") for _ in range(1000)))
    settle()
    assert losses == [f"request failed: more than {MAX_BYTES} bytes came and were not enough"]
    assert client.is_closed()


def test_a_record_that_never_ends(make_reading, shake, settle, losses):
    reading = make_reading(max_bytes=2048)
    client, _ = shake(reading)
    client.socket.send(client.encrypt(URL.ljust(16_000, b"x"))[:-1])
    settle()
    assert losses == ["request failed: more than 2048 bytes came and were not enough"]


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, b"gemini://localhost/\r\n"])
def test_what_is_no_tls_is_lost(make_reading, join, settle, losses, octets):
    reading = make_reading()
    client, _ = join(reading)
    client.socket.send(octets)
    settle()
    assert len(losses) == 1
    assert losses[0].startswith("handshake failed: ")
    assert client.is_closed()
    assert len(reading) == 0


# Clients that leave


@pytest.mark.parametrize("stage", ["handshake", "request"])
@pytest.mark.parametrize("leave", ["reset", "close", "finish_sending", "close_notify"])
def test_a_client_that_leaves(make_reading, join, shake, settle, losses, stage, leave):
    reading = make_reading()
    client, _ = (shake if stage == "request" else join)(reading, tcp_pair())
    if leave == "close":
        client.socket.close()
    elif leave == "close_notify":
        try:
            client.tls.unwrap()
        except OSError:
            client.push()
        client.finish_sending()
    else:
        getattr(client, leave)()
    settle()
    assert len(losses) == 1
    assert losses[0].startswith(f"{stage} failed: ")
    assert len(reading) == 0


# Deadlines, and too many


@pytest.mark.parametrize("stage", ["handshake", "request"])
def test_whoever_takes_too_long_is_dropped(make_reading, join, shake, stage, losses):
    reading = make_reading()
    client, connection = (shake if stage == "request" else join)(reading)
    assert reading.next_deadline() == connection.deadline
    expire(reading, connection.deadline - 0.1)
    assert len(reading) == 1
    expire(reading, connection.deadline)
    assert losses[0].startswith(f"{stage} timed out after ")
    assert client.is_closed()


def test_bytes_win_no_time(make_reading, shake, settle):
    reading = make_reading()
    client, connection = shake(reading)
    deadline = connection.deadline
    client.send(URL[:5])
    settle()
    assert connection.deadline == deadline


def test_when_there_are_too_many_the_oldest_goes(make_reading, join, losses, counted):
    reading = make_reading(most=2)
    clients = [join(reading)[0] for _ in range(3)]
    assert losses == ["closed because too many requests are not complete"]
    assert (counted()["evictions"], counted()["handshake_failures"]) == ({"reading": 1}, {"too-many": 1})
    assert [client.is_closed() for client in clients] == [True, False, False]
    assert len(reading) == 2


def test_one_that_is_ready_is_not_among_them(make_reading, join, shake, settle, losses):
    reading = make_reading(most=1)
    client, _ = shake(reading)
    client.send(URL)
    settle()
    join(reading)
    assert losses == []


# A handshake that the socket does not take at once


@pytest.fixture
def blocked(join, settle):
    """A client whose server can't send its part of the handshake."""

    def blocked(reading):
        its, ours = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel makes of it what it will
        ours.setblocking(False)
        junk = 0
        try:
            while True:
                junk += ours.send(b"x" * 100)
        except BlockingIOError:
            pass
        client, connection = join(reading, (its, ours))
        client.socket.send(client.hello())
        settle()
        return client, connection, junk

    return blocked


def take_junk(client, junk):
    while junk:
        junk -= len(client.socket.recv(junk))


def test_it_goes_on_when_the_socket_takes_more(make_reading, blocked, settle, turn, ready):
    client, connection, junk = blocked(make_reading())
    assert connection.outgoing
    assert sum(turn() for _ in range(10)) == 0
    take_junk(client, junk)
    for _ in range(10):
        settle()
        if client.shake_hands():
            break
    settle()
    client.send(URL)
    settle()
    assert asked_for(ready) == "gemini://localhost/"
    assert sum(turn() for _ in range(10)) == 0


def test_such_a_client_may_leave(make_reading, blocked, settle, losses):
    reading = make_reading()
    client, _, _ = blocked(reading)
    client.socket.close()
    settle()
    assert len(losses) == 1
    assert len(reading) == 0


def test_a_worker_that_has_to_stop_leaves_them_a_second(make_reading, join):
    reading = make_reading()
    join(reading)
    reading.hurry()
    assert reading.next_deadline() < time.monotonic() + 1.1


# Behind a PROXY header


def test_what_came_behind_a_header_is_read_first(make_reading, connect, settle, ready):
    reading = make_reading()
    seen = []
    client, connection = connect()
    reading.add(connection, lambda connection, _: seen.append(connection.receive(4096)))
    hello = client.hello()
    client.socket.sendall(hello[:50])
    settle()
    assert seen == [hello[:50]]
    reading.begin(connection, hello[:50])
    client.socket.sendall(hello[50:])
    for _ in range(3):
        settle()
        client.shake_hands()
    client.send(URL)
    settle()
    assert asked_for(ready) == URL.decode().strip()


def test_what_came_behind_a_header_counts(make_reading, connect, losses):
    reading = make_reading(max_bytes=2048)
    client, connection = connect()
    reading.add(connection, lambda *_: None)
    reading.begin(connection, b"\x16\x03\x01\xff\xff" + bytes(4000))
    reading.advance(connection, 0)
    assert losses == ["handshake failed: more than 2048 bytes came and were not enough"]
    assert client.is_closed()
