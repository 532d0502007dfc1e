"""What a connection does with its socket and its TLS, without any loop."""

import errno
import os
import socket

import pytest

from gemd.protocol.errors import BadRequest
from gemd.system.plain import PlainConnection
from gemd.system.tls import TLSError
from gemd.worker.incoming import IncomingBody
from tests.support.answers import ScriptedPending, ScriptedSource
from tests.support.gemini_client import tcp_pair
from tests.support.intakes import ScriptedIntake
from tests.support.waiting import wait_for
from tests.worker.conftest import URL


def test_what_comes_from_the_socket(connect):
    client, connection = connect()
    assert connection.receive(10) is None
    client.socket.send(b"abc")
    assert connection.receive(2) == b"ab"
    assert connection.receive(2) == b"c"
    client.finish_sending()
    assert connection.receive(2) == b""


def test_a_reset_is_an_error_in_words(connect):
    client, connection = connect(tcp_pair())
    client.reset()
    with pytest.raises(TLSError, match="ECONNRESET"):
        connection.receive(10)
    client, connection = connect(tcp_pair(), shaken=True)
    client.reset()
    connection.write(b"x")
    with pytest.raises(TLSError, match=r"ECONNRESET|EPIPE"):
        connection.flush()


def test_nothing_to_send_is_all_sent(connect):
    _, connection = connect()
    assert connection.flush()
    assert connection.outgoing == 0


def test_an_answer_its_size_and_its_end(connect):
    client, connection = connect(shaken=True)
    connection.head = b"20 text/plain\r\n"
    connection.write(b"one")
    connection.write(b"two")
    connection.end()
    assert connection.flush()
    assert client.read() == b"20 text/plain\r\nonetwo"
    assert client.end == "whole"
    assert connection.sent == len(client.data)
    assert connection.complete


def test_what_the_socket_does_not_take_stays(connect):
    client, connection = connect(tcp_pair(receive=4096, send=4096), shaken=True)
    connection.write(b"x" * 1_000_000)
    assert not connection.flush()
    assert connection.outgoing > 900_000
    assert not connection.flush()
    client.read()
    while not connection.flush():
        client.read()
    connection.write(b"y")
    assert connection.flush()
    assert client.read() == b"x" * 1_000_000 + b"y"
    assert connection.outgoing == 0


def test_what_came_with_the_end_of_a_handshake_is_not_lost_where_the_client_takes_nothing(connect):
    client, connection = connect(tcp_pair(receive=4096, send=4096), shaken=True)
    client.send(URL)
    wait_for(lambda: (data := connection.receive(1000)) and not connection.tls.feed(data), "the request")
    connection.write(b"x" * 1_000_000)
    assert not connection.flush()
    assert connection.tls.receive(100) == URL


def test_memory_for_a_long_piece_is_not_kept_where_the_client_takes_nothing(connect, monkeypatch):
    _, connection = connect(tcp_pair(receive=4096, send=4096), shaken=True)
    connection.request = connection.reader.feed(URL)
    shrunk = []
    monkeypatch.setattr(type(connection.tls), "shrink", lambda tls: shrunk.append(tls.take()))
    connection.write(b"x" * 1_000_000)
    assert not connection.flush()
    assert shrunk == [b""]  # and all of it is in the outbox


def test_what_tls_says_meanwhile_comes_after_it(connect):
    client, connection = connect(tcp_pair(receive=4096, send=4096), shaken=True)
    connection.write(b"x" * 1_000_000)
    assert not connection.flush()
    connection.end()
    while not connection.flush():
        client.read()
    client.read()
    assert client.end == "whole"


def test_progress_is_what_the_client_s_kernel_has(connect):
    client, connection = connect(tcp_pair(receive=4096, send=1_000_000), shaken=True)
    connection.renew(1.0)
    connection.write(b"x" * 300_000)
    connection.flush()
    assert connection.progress < 100_000
    client.read()
    wait_for(lambda: client.read() and connection.progress > 200_000, "progress")
    connection.renew(2.0)
    assert connection.progress < 100_000
    assert connection.deadline == 2.0


def test_what_is_held_is_the_outbox_and_what_tls_keeps_of_a_long_handshake(connect):
    _, connection = connect(shaken=True)
    connection.handshake_size, connection.received = 1200, 100
    assert connection.held == 0
    connection.handshake_size = 16 * 1024
    assert 200_000 < connection.held < 300_000
    held = connection.held
    connection.write(bytes(1_000_000))
    connection.flush()
    assert connection.held == held + connection.outgoing > held


def test_the_url_is_the_one_of_the_request_or_what_came_of_it(connect):
    _, connection = connect()
    assert connection.url == ""
    assert connection.reader.feed(b"gemini://h/\xff") is None
    assert connection.url == "gemini://h/\\xff"
    _, connection = connect()
    connection.request = connection.reader.feed(URL)
    assert connection.url == "gemini://localhost/"
    _, connection = connect()
    with pytest.raises(BadRequest):
        connection.reader.feed(b"no url\r\n")
    assert connection.url == "no url"


def test_closing_lets_go_of_the_answer_once(connect):
    client, connection = connect()
    connection.pending = pending = ScriptedPending()
    connection.close()
    connection.close()
    assert pending.closed == 1
    assert connection.socket.fileno() == -1
    assert client.is_closed()


def test_one_that_can_t_be_closed_is_let_go_all_the_same(connect):
    class Bad(ScriptedSource):
        def close(self):
            super().close()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    _, connection = connect()
    connection.source = source = Bad()
    with pytest.raises(OSError, match="Input/output error"):
        connection.close()
    connection.close()
    assert (source.closed, connection.socket.fileno()) == (1, -1)


def test_nothing_waits_even_on_a_socket_that_would(connect):
    _, connection = connect(shaken=True)
    connection.socket.setblocking(True)
    assert connection.receive(10) is None
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    connection.write(b"x" * 1_000_000)
    assert not connection.flush()


@pytest.mark.parametrize(("complete", "sent", "is_reset"), [(False, 1, True), (True, 1, False), (False, 0, False)])
def test_without_tls_an_answer_that_broke_off_ends_by_a_reset(connect, complete, sent, is_reset):
    client, connection = connect(tcp_pair())
    connection.tls = PlainConnection()
    connection.complete, connection.sent = complete, sent
    connection.close()
    client.socket.setblocking(True)
    if is_reset:
        with pytest.raises(ConnectionResetError):
            client.socket.recv(1)
    else:
        assert client.socket.recv(1) == b""


# An upload


@pytest.fixture
def upload(connect):
    """A connection with so much of a body of ten bytes, and its intake."""

    def upload(first):
        _, connection = connect(tcp_pair(), shaken=True)
        intake = ScriptedIntake(10)
        connection.upload = IncomingBody(intake, first)
        connection.upload.begin(None)
        connection.upload.receive(connection)
        return connection, intake

    return upload


def test_progress_is_what_has_come_until_it_is_whole(upload):
    connection, _ = upload(b"0123")
    assert connection.progress == 4
    connection.renew(5.0)
    assert (connection.progress, connection.deadline) == (0, 5.0)
    connection, _ = upload(b"0123456789")
    assert connection.progress == connection._taken - connection._delivered_before


def test_what_it_holds_counts(upload):
    connection, intake = upload(b"0123")
    connection.handshake_size = connection.received = 0
    assert connection.held == 4
    intake.ready = False
    assert connection.held == 64 * 1024


def test_it_is_let_go_with_the_connection_whatever_else_fails(upload):
    connection, intake = upload(b"0123")

    class Failing(ScriptedPending):
        def close(self):
            raise ValueError

    connection.pending = Failing()
    with pytest.raises(ValueError):
        connection.close()
    assert intake.closed == 1
    assert connection.socket.fileno() < 0
