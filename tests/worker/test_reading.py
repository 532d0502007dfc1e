"""From accept to a complete request, over a socket pair; over a listener where accepting is the subject."""

import errno
import os
import socket
import time

import pytest

from gemd.config.settings import Address
from gemd.system.listener import Listener
from tests.support.gemini_client import Client, tcp_pair
from tests.worker.conftest import URL

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
def settle(turn):
    """Turns until nothing more happens."""

    def settle(most=10_000):
        for _ in range(most):
            if not turn():
                return
        raise AssertionError("it does not come to rest")

    return settle


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
    reading = make_reading(timeout=7.0)
    client, connection = (shake if stage == "request" else join)(reading)
    assert reading.next_deadline() == connection.deadline
    reading.expire(connection.deadline - 0.1)
    assert len(reading) == 1
    reading.expire(connection.deadline)
    assert losses[0].startswith(f"{stage} timed out after ")
    assert client.is_closed()


def test_bytes_win_no_time(make_reading, shake, settle):
    reading = make_reading()
    client, connection = shake(reading)
    deadline = connection.deadline
    client.send(URL[:5])
    settle()
    assert connection.deadline == deadline


def test_when_there_are_too_many_the_oldest_goes(make_reading, join, losses):
    reading = make_reading(most=2)
    clients = [join(reading)[0] for _ in range(3)]
    assert losses == ["closed because too many requests are not complete"]
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


# Accepting


@pytest.fixture
def listener():
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    made = Listener(sock, Address("127.0.0.1", 0))
    yield made
    made.close()


@pytest.fixture
def call(listener):
    """A new client that the listener has in its backlog."""
    made = []

    def call():
        made.append(Client(socket.create_connection(listener.socket.getsockname())))
        return made[-1]

    yield call
    for client in made:
        client.socket.close()


@pytest.fixture
def listening(make_reading, listener, poller):
    """A Reading with a listener, which it watches no more in the end."""
    made = []

    def listening(**options):
        made.append(make_reading([listener], **options))
        return made[-1]

    yield listening
    for reading in made:
        reading.stop_listening(is_urgent=True)
        for connection in reading._connections:
            reading.drop(connection, "the test is over")
    assert list(poller._readers) == [poller._wakeup]


def test_one_is_accepted_a_turn(listening, call, turn):
    reading = listening()
    for _ in range(3):
        call()
    for count in (1, 2, 3, 3):
        turn()
        reading.accept_waiting()
        assert len(reading) == count


def test_one_that_another_worker_was_woken_for_waits_a_second_at_most(listening, call):
    reading = listening()
    now = time.monotonic()
    reading.expire(now)
    call()
    reading.expire(now + 0.9)
    assert len(reading) == 0
    reading.expire(now + 1.0)
    assert len(reading) == 1


@pytest.fixture
def fail_to_accept(monkeypatch):
    """accept() fails with this error, until None is given."""

    def fail(number):
        monkeypatch.undo()
        if number is not None:
            error = OSError(number, os.strerror(number))
            monkeypatch.setattr(socket.socket, "accept", lambda _: (_ for _ in ()).throw(error))

    return fail


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_pauses_when_the_machine_has_no_more(listening, call, turn, caplog, fail_to_accept, number):
    reading = listening()
    call()
    fail_to_accept(number)
    turn()
    reading.accept_waiting()
    pause = reading.next_deadline()
    assert 0 < pause - time.monotonic() <= 0.1
    assert reading._poller._epoll.poll(0) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    reading.expire(pause)
    fail_to_accept(None)
    turn()
    reading.accept_waiting()
    assert len(reading) == 1


def test_a_pause_that_is_followed_by_another_is_said_once_more(listening, call, turn, caplog, fail_to_accept):
    reading = listening()
    call()
    fail_to_accept(errno.EMFILE)
    for _ in range(2):
        turn()
        reading.accept_waiting()
        reading.expire(reading.next_deadline())
    assert len(caplog.records) == 2
    fail_to_accept(None)


@pytest.mark.parametrize("number", [errno.EBADF, errno.EINVAL, errno.ENOTSOCK])
def test_a_listener_that_is_broken_for_good_is_the_end(listening, call, turn, fail_to_accept, number):
    reading = listening()
    call()
    fail_to_accept(number)
    turn()
    with pytest.raises(OSError, match="can't be listened on any more"):
        reading.accept_waiting()
    fail_to_accept(None)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ECONNABORTED, errno.EPERM, errno.EPROTO])
def test_what_is_gone_again_is_no_reason_to_pause(listening, call, turn, caplog, fail_to_accept, number):
    reading = listening()
    call()
    fail_to_accept(number)
    turn()
    reading.accept_waiting()
    fail_to_accept(None)
    assert caplog.records == []
    turn()
    reading.accept_waiting()
    assert len(reading) == 1


def test_a_connection_that_can_t_be_watched_is_closed(listening, call, turn, poller, monkeypatch):
    reading = listening()
    client = call()
    turn()

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(poller, "register", fail)
    reading.accept_waiting()
    assert len(reading) == 0
    assert client.is_closed()


def test_a_client_that_left_before_it_was_accepted(listening, call, turn, settle):
    reading = listening()
    call().reset()
    turn()
    reading.accept_waiting()
    settle()
    assert len(reading) == 0


@pytest.mark.parametrize("is_urgent", [True, False])
def test_the_backlog_is_accepted_before_listening_ends(listening, call, listener, is_urgent):
    reading = listening(timeout=60.0)
    for _ in range(3):
        call()
    reading.stop_listening(is_urgent=is_urgent)
    assert len(reading) == 3
    assert listener.socket.fileno() == -1
    assert (reading.next_deadline() < time.monotonic() + 1.1) is is_urgent
    reading.accept_waiting()


def test_listening_may_end_while_accepting_pauses(listening, call, turn, fail_to_accept, listener):
    reading = listening()
    call()
    fail_to_accept(errno.EMFILE)
    turn()
    reading.accept_waiting()
    fail_to_accept(None)
    reading.stop_listening(is_urgent=False)
    assert len(reading) == 1
    assert listener.socket.fileno() == -1


def test_listening_may_end_in_the_turn_that_brought_a_connection(listening, call, turn):
    reading = listening()
    call()
    turn()
    reading.stop_listening(is_urgent=False)
    reading.accept_waiting()
    assert len(reading) == 1


def test_urgent_comes_second(listening, call):
    reading = listening(timeout=60.0)
    call()
    reading.stop_listening(is_urgent=False)
    reading.stop_listening(is_urgent=True)
    assert reading.next_deadline() < time.monotonic() + 1.1
