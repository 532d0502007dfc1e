"""The end of a connection: after the answer, until the client closes too."""

import select
import socket
import time
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import BadRequest
from gemd.system.client_socket import count_undelivered
from gemd.worker.closing import drain
from tests.support.gemini_client import tcp_pair
from tests.support.waiting import wait_for
from tests.worker.conftest import expire


@pytest.fixture
def linger(poller, connect):
    """A connection that is answered, and its client."""

    def linger(closing, sockets=None, *, unread=b"", sent=b"", before=lambda _: None):
        client, connection = connect(sockets or tcp_pair())
        before(connection)
        poller.register(connection.fd, select.EPOLLIN, lambda *_: pytest.fail("read like a request"), connection)
        if unread:
            client.socket.send(unread)
        if sent:
            connection.socket.send(sent)
        closing.linger(connection)
        return client, connection

    return linger


def is_open(connection):
    return connection.socket.fileno() >= 0


def test_the_client_is_told_that_nothing_follows(make_closing, linger):
    client, connection = linger(make_closing())
    assert client.is_closed()
    assert is_open(connection)


@pytest.mark.parametrize("sockets", [tcp_pair, socket.socketpair])
@pytest.mark.parametrize("leave", ["finish_sending", "close"])
def test_it_ends_when_the_client_is_done(make_closing, linger, turn, sockets, leave):
    closing = make_closing()
    client, connection = linger(closing, sockets())
    assert turn() == 0
    client.socket.close() if leave == "close" else client.finish_sending()
    turn()
    assert not is_open(connection)
    assert len(closing) == 0


def test_the_client_may_be_done_already(make_closing, linger, turn, connect):
    closing = make_closing()
    sockets = tcp_pair()
    sockets[0].shutdown(socket.SHUT_WR)
    _, connection = linger(closing, sockets)
    turn()
    assert not is_open(connection)


def test_a_reset_is_an_end_too(make_closing, linger, turn):
    closing = make_closing()
    client, _ = linger(closing)
    client.reset()
    turn()
    assert len(closing) == 0


def test_what_the_client_still_sends_is_read_so_that_it_gets_all_of_its_answer(make_closing, linger, turn):
    closing = make_closing()
    client, connection = linger(closing, unread=b"x" * 5000, sent=b"answer")
    turn()
    assert len(closing) == 1
    client.socket.send(b"y" * 3)
    client.finish_sending()
    turn()
    assert not is_open(connection)
    assert client.socket.recv(100) == b"answer"  # a reset would have destroyed it
    assert client.socket.recv(100) == b""


def test_but_not_without_end(make_closing, linger, turn):
    closing = make_closing()
    client, connection = linger(closing)
    sent = 0
    while is_open(connection):
        client.socket.setblocking(True)
        sent += client.socket.send(b"x" * 65536)
        turn()
    assert 1024 * 1024 <= sent < 3 * 1024 * 1024


def test_nothing_happens_while_a_client_says_nothing(make_closing, linger, turn):
    linger(make_closing())
    assert sum(turn() for _ in range(10)) == 0


def test_it_ends_at_its_deadline(make_closing, linger):
    closing = make_closing(timeout=0.5)
    _, connection = linger(closing, socket.socketpair())
    assert closing.next_deadline() == connection.deadline
    assert 0.4 < connection.deadline - time.monotonic() <= 0.5
    expire(closing, connection.deadline - 0.01)
    assert is_open(connection)
    expire(closing, connection.deadline)
    assert not is_open(connection)


@pytest.fixture
def undelivered(linger):
    """One whose client has not got all of its answer yet."""

    def undelivered(closing):
        sockets = tcp_pair(receive=4096, send=1_000_000)
        sockets[1].setblocking(False)
        return linger(closing, sockets, sent=b"x" * 400_000)

    return undelivered


def test_it_stays_while_its_answer_is_not_delivered(make_closing, undelivered):
    closing = make_closing(timeout=0.5, delivery=30.0)
    _, connection = undelivered(closing)
    for _ in range(3):
        expire(closing, connection.deadline)
        assert is_open(connection)
    expire(closing, connection.accepted + 30.1)
    assert not is_open(connection)


def test_it_ends_once_that_is_delivered(make_closing, undelivered):
    closing = make_closing(timeout=0.5, delivery=30.0)
    client, connection = undelivered(closing)
    expire(closing, connection.deadline)
    wait_for(lambda: client.is_closed() and not count_undelivered(connection.socket), "the client's kernel")
    expire(closing, connection.deadline)
    assert not is_open(connection)


def test_others_have_their_turn_meanwhile(make_closing, undelivered, linger):
    closing = make_closing(timeout=0.5, delivery=30.0)
    _, first = undelivered(closing)
    _, second = linger(closing, socket.socketpair())
    expire(closing, second.deadline)
    assert is_open(first)
    assert not is_open(second)


def test_a_worker_that_has_to_stop_waits_for_no_delivery(make_closing, undelivered):
    closing = make_closing(timeout=0.5, delivery=30.0)
    _, connection = undelivered(closing)
    closing.leave_deliveries()
    expire(closing, connection.deadline)
    assert not is_open(connection)


def test_the_oldest_makes_room(make_closing, linger, counted):
    closing = make_closing()
    _, first = linger(closing)
    linger(closing)
    assert closing.drop_oldest()
    assert not is_open(first)
    assert closing.drop_oldest()
    assert not closing.drop_oldest()
    assert counted()["evictions"] == {"lingering": 2}


# What the client still sends


@pytest.mark.parametrize("has_ended", [True, False])
def test_draining(connect, has_ended):
    client, connection = connect()
    client.socket.send(b"x" * 100)
    assert drain(connection, has_ended=has_ended) is has_ended
    client.socket.close()
    assert drain(connection, has_ended=True)


def test_draining_what_is_more_than_one_buffer(connect):
    client, connection = connect()
    client.socket.send(b"x" * 8192)
    client.finish_sending()
    assert drain(connection, has_ended=True)
    with pytest.raises(BlockingIOError):
        client.socket.recv(1)


# What a client still sends of an upload that was refused


@pytest.fixture
def linger_refused(linger):
    """The same, as its upload was refused; `line` is its request, which may be none."""

    def linger_refused(closing, line=b"titan://localhost/a;size=99999999\r\n"):
        sockets = tcp_pair()
        sockets[1].send(b"answer")

        def ask(connection):
            try:
                connection.request = connection.reader.feed(line)
            except BadRequest as refusal:
                connection.refusal = refusal

        return linger(closing, sockets, before=ask)

    return linger_refused


def send(client, size):
    """As much as the socket takes of so many bytes; how many that were."""
    client.socket.setblocking(False)
    try:
        return client.socket.send(bytes(size))
    except BlockingIOError:
        return 0


@pytest.mark.parametrize(
    "line",
    [b"titan://localhost/a;size=99999999\r\n", b"titan://localhost/a\x01;size=99999999\r\n", b"TITAN:" + b"x" * 2000],
    ids=["refused", "no URL", "no end"],
)
def test_all_of_it_is_read_for_a_client_that_reads_only_then(make_closing, linger_refused, turn, line):
    closing = make_closing(timeout=0.001)
    client, connection = linger_refused(closing, line)
    left = 10 * 1024 * 1024
    while left:
        left -= send(client, min(left, 1 << 20))
        turn()
        expire(closing, time.monotonic())
    assert is_open(connection)
    client.finish_sending()
    wait_for(lambda: (turn(), not is_open(connection))[1], "the end")
    assert client.socket.recv(100) == b"answer"
    assert client.socket.recv(100) == b""


def test_no_more_than_16_mib_are(make_closing, linger_refused, turn):
    closing = make_closing()
    client, connection = linger_refused(closing)
    sent = 0
    while is_open(connection):
        try:
            sent += send(client, 1 << 20)
        except ConnectionError:
            break
        turn()
    assert connection.drained >= 16 * 1024 * 1024
    assert sent < 32 * 1024 * 1024


def test_a_turn_reads_a_part_of_it_alone(make_closing, linger_refused, turn):
    closing = make_closing()
    client, connection = linger_refused(closing)
    wait_for(lambda: not send(client, 1 << 20), "the buffers to be full")
    turn()
    assert 0 < connection.drained <= 256 * 1024


def test_it_ends_a_second_after_the_last_of_it(make_closing, linger_refused, turn):
    closing = make_closing(timeout=0.001)
    client, connection = linger_refused(closing)
    start = time.monotonic()
    assert start + 0.9 < closing.next_deadline() <= start + 1.0
    client.socket.send(b"x")
    wait_for(lambda: (turn(), connection.drained)[1], "it to be read")
    assert closing.next_deadline() > start + 1.0
    expire(closing, start + 1.0)
    assert is_open(connection)
    expire(closing, connection.deadline)
    assert not is_open(connection)


def test_it_ends_after_10_seconds_however_much_comes(make_closing, linger_refused, turn):
    closing = make_closing()
    client, connection = linger_refused(closing)
    connection.renewed -= 10.1
    client.socket.send(b"x")
    wait_for(lambda: (turn(), not is_open(connection))[1], "the end")


@pytest.mark.parametrize("act", ["end_by", "leave_deliveries"])
def test_a_worker_that_has_to_stop_reads_no_more_of_it(make_closing, linger_refused, turn, act):
    closing = make_closing()
    client, connection = linger_refused(closing)
    closing.end_by(time.monotonic()) if act == "end_by" else closing.leave_deliveries()
    client.socket.send(b"x")
    wait_for(lambda: (turn(), not is_open(connection))[1], "the end")


def test_an_upload_that_was_taken_is_no_reason_to_wait(make_closing, linger):
    closing = make_closing(timeout=0.5)

    def upload(connection):
        connection.request = connection.reader.feed(b"titan://localhost/a;size=0\r\n")
        connection.upload = SimpleNamespace(is_whole=True, close=lambda: None)

    _, connection = linger(closing, before=upload)
    assert closing.next_deadline() <= time.monotonic() + 0.5
    assert connection in closing


def test_those_who_are_more_make_room(make_closing, linger, linger_refused):
    closing = make_closing()
    _, done = linger(closing)
    refused = [linger_refused(closing)[1] for _ in range(2)]
    assert len(closing) == 3
    assert all(connection in closing for connection in (done, *refused))
    assert closing.drop_oldest()
    assert [is_open(connection) for connection in (done, *refused)] == [True, False, True]
    assert closing.drop_oldest()
    assert [is_open(connection) for connection in (done, *refused)] == [False, False, True]
    assert closing.drop_oldest()
    assert not closing.drop_oldest()
