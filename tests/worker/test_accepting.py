"""From a listener to a connection that is read."""

import errno
import os
import socket
import time
from types import SimpleNamespace

import pytest

from gemd.config.listen import Listen
from gemd.config.settings import Timeouts
from gemd.config.types import Address
from gemd.system.listener import Listener
from gemd.worker.accepting import Accepting
from tests.support.gemini_client import Client


@pytest.fixture
def listener():
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    made = Listener(sock, Address("127.0.0.1", 0))
    yield made
    made.close()


def as_usual(listener):
    return {listener: Listen(address=listener.address)}


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
def reading(make_reading):
    return make_reading()


@pytest.fixture
def accepting(poller, context, listener, reading):
    """Accepts for `reading` from the listener, which is watched no more in the end."""
    made = Accepting(poller, as_usual(listener), context, Timeouts(request=60.0), 100, reading, None)
    yield made
    made.stop()
    assert poller._readers == {}


def test_one_is_accepted_a_turn(accepting, reading, call, turn):
    for _ in range(3):
        call()
    for count in (1, 2, 3, 3):
        turn()
        accepting.accept_waiting()
        assert len(reading) == count


def test_one_that_another_worker_was_woken_for_waits_a_second_at_most(accepting, reading, call):
    now = time.monotonic()
    accepting.expire(now)
    call()
    accepting.expire(now + 0.9)
    assert len(reading) == 0
    accepting.expire(now + 1.0)
    assert len(reading) == 1


@pytest.fixture
def fail_to_accept(monkeypatch):
    """accept() fails with this error, until None is given."""

    def fail(number):
        monkeypatch.undo()
        if number is not None:
            error = OSError(number, os.strerror(number))
            monkeypatch.setattr(Listener, "accept", lambda _: (_ for _ in ()).throw(error))

    return fail


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_pauses_when_the_machine_has_no_more(accepting, reading, call, turn, caplog, fail_to_accept, number):
    call()
    fail_to_accept(number)
    turn()
    accepting.accept_waiting()
    pause = accepting.next_deadline()
    assert 0 < pause - time.monotonic() <= 0.1
    assert accepting._poller._epoll.poll(0) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    accepting.expire(pause)
    fail_to_accept(None)
    turn()
    accepting.accept_waiting()
    assert len(reading) == 1


def test_a_pause_that_is_followed_by_another_is_said_once_more(accepting, reading, call, turn, caplog, fail_to_accept):
    call()
    fail_to_accept(errno.EMFILE)
    for _ in range(2):
        turn()
        accepting.accept_waiting()
        accepting.expire(accepting.next_deadline())
    assert len(caplog.records) == 2
    fail_to_accept(None)


@pytest.mark.parametrize("number", [errno.EBADF, errno.EINVAL, errno.ENOTSOCK])
def test_a_listener_that_is_broken_for_good_is_the_end(accepting, reading, call, turn, fail_to_accept, number):
    call()
    fail_to_accept(number)
    turn()
    with pytest.raises(OSError, match="can't be listened on any more"):
        accepting.accept_waiting()
    fail_to_accept(None)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ECONNABORTED, errno.EPERM, errno.EPROTO])
def test_what_is_gone_again_is_no_reason_to_pause(accepting, reading, call, turn, caplog, fail_to_accept, number):
    call()
    fail_to_accept(number)
    turn()
    accepting.accept_waiting()
    fail_to_accept(None)
    assert caplog.records == []
    turn()
    accepting.accept_waiting()
    assert len(reading) == 1


def test_a_connection_that_can_t_be_watched_is_closed(accepting, reading, call, turn, poller, monkeypatch):
    client = call()
    turn()

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(poller, "register", fail)
    accepting.accept_waiting()
    assert len(reading) == 0
    assert client.is_closed()


def test_a_client_that_left_before_it_was_accepted(accepting, reading, call, turn, settle):
    call().reset()
    turn()
    accepting.accept_waiting()
    settle()
    assert len(reading) == 0


def test_the_backlog_is_accepted_before_listening_ends(accepting, reading, call, listener):
    for _ in range(3):
        call()
    assert accepting.is_listening
    accepting.stop()
    assert len(reading) == 3
    assert listener.socket.fileno() == -1
    assert not accepting.is_listening
    accepting.accept_waiting()
    accepting.expire(time.monotonic() + 100)


def test_listening_may_end_while_accepting_pauses(accepting, reading, call, turn, fail_to_accept, listener):
    call()
    fail_to_accept(errno.EMFILE)
    turn()
    accepting.accept_waiting()
    fail_to_accept(None)
    accepting.stop()
    assert len(reading) == 1
    assert listener.socket.fileno() == -1


def test_listening_may_end_in_the_turn_that_brought_a_connection(accepting, reading, call, turn):
    call()
    turn()
    accepting.stop()
    accepting.accept_waiting()
    assert len(reading) == 1


def test_listening_may_end_twice(accepting, reading, call):
    call()
    accepting.stop()
    accepting.stop()
    assert len(reading) == 1


# Leaving it to others


def test_what_is_left_to_others_is_not_accepted(accepting, reading, call, turn):
    accepting.leave_to_others(is_left=True)
    call()
    turn()
    accepting.accept_waiting()
    accepting.expire(time.monotonic() + 100)
    assert len(reading) == 0
    accepting.leave_to_others(is_left=False)
    turn()
    accepting.accept_waiting()
    assert len(reading) == 1


def test_a_pause_does_not_end_that(accepting, reading, call, turn, fail_to_accept):
    call()
    fail_to_accept(errno.EMFILE)
    turn()
    accepting.accept_waiting()
    fail_to_accept(None)
    accepting.leave_to_others(is_left=True)
    accepting.expire(accepting.next_deadline())
    assert turn() == 0
    accepting.accept_waiting()
    assert len(reading) == 0


def test_the_backlog_is_accepted_before_listening_ends_even_so(accepting, reading, call):
    accepting.leave_to_others(is_left=True)
    call()
    accepting.stop()
    assert len(reading) == 1


# Too many handshakes


def test_who_is_not_admitted_is_closed_before_tls_begins(poller, context, listener, reading, call, turn):
    asked, left = [], []

    class Admission:
        def enter(self, address):
            asked.append(address)
            return (lambda: left.append(address)) if len(asked) != 2 else None

    accepting = Accepting(poller, as_usual(listener), context, Timeouts(), 100, reading, Admission())
    clients = [call() for _ in range(3)]
    for _ in range(3):
        turn()
        accepting.accept_waiting()
    accepting.stop()
    assert asked == ["127.0.0.1"] * 3
    assert len(reading) == 2
    assert [client.is_closed() for client in clients] == [False, True, False]
    assert left == []
    for connection in list(reading):
        reading.drop(connection, "")
    assert left == ["127.0.0.1"] * 2


def test_who_is_gone_before_it_is_looked_at_has_left(monkeypatch, poller, context, listener, reading, call, turn):
    left = []
    admission = SimpleNamespace(enter=lambda address: lambda: left.append(address))
    accepting = Accepting(poller, as_usual(listener), context, Timeouts(), 100, reading, admission)

    def fail(connection):
        raise OSError(errno.ENOSPC, "no watches")

    monkeypatch.setattr(reading, "add", fail)
    call()
    turn()
    assert accepting.accept_waiting() == []
    accepting.stop()
    assert left == ["127.0.0.1"]


def test_ipv6_clients_are_counted_by_the_prefix_that_is_given(poller, context, listener, reading, call, turn):
    accepting = Accepting(poller, as_usual(listener), context, Timeouts(), 100, reading, None, 48)
    call()
    turn()
    (connection,) = accepting.accept_waiting()
    accepting.stop()
    assert connection.peer.v6_prefix == 48
