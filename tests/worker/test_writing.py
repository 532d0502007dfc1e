"""Answers and how they are delivered: over a socket pair, or TCP where a slow client is the subject."""

import logging
import os
import select
import socket
import time

import pytest

from gemd.protocol.errors import NotFound
from gemd.protocol.response import BrokenBody, ClientLeft, Response
from gemd.worker import writing as module
from gemd.worker.writing import BLOCK_SIZE
from tests.support.answers import PipeSource, ScriptedPending, ScriptedSource
from tests.support.gemini_client import tcp_pair
from tests.worker.conftest import expire

HEADER = b"20 text/gemini\r\n"


def page(body):
    return Response(20, "text/gemini", body)


@pytest.fixture
def begin(poller, connect):
    """A connection whose request is complete, as Reading hands it over, and the client."""

    def begin(sockets=None):
        client, connection = connect(sockets, shaken=True)
        poller.register(connection.fd, select.EPOLLIN, lambda *_: pytest.fail("read like a request"), connection)
        return client, connection

    return begin


@pytest.fixture
def settle(poller, turn):
    """Turns until nothing more happens; how many it took."""

    def settle(writing, most=1000):
        for count in range(most):
            told = turn()
            while poller.woken:
                writing.resume(poller.woken.popleft())
                told += 1
            for connection in writing.runnable():
                writing.go_on(connection)
                told += 1
            if not told:
                return count
        raise AssertionError("it does not come to rest")

    return settle


def count_sends(connection):
    """The sizes of what is sent from now on."""
    sizes = []

    class Counting:
        def __init__(self, sock):
            self.sock = sock

        def send(self, data, flags=0):
            sizes.append(len(data))
            return self.sock.send(data, flags)

        def __getattr__(self, name):
            return getattr(self.sock, name)

    connection.socket = Counting(connection.socket)
    return sizes


def fill(writing, client, connection, settle, body):
    """Have the client not read."""
    writing.answer(connection, page(body))
    settle(writing)
    assert len(writing) == 1


# Whole answers


@pytest.mark.parametrize("size", [0, 1, 64 * 1024])
def test_bytes_go_out_in_one_piece_with_close_notify(make_writing, begin, ended, size):
    writing = make_writing()
    client, connection = begin()
    sends = count_sends(connection)
    writing.answer(connection, page(b"x" * size))
    assert client.read() == HEADER + b"x" * size
    assert client.end == "whole"
    assert len(sends) == 1
    assert list(ended) == [connection]
    assert connection.complete
    assert connection.sent == len(HEADER) + size
    assert connection in writing.closing


def test_long_ones_go_out_piece_by_piece(make_writing, begin, settle, ended):
    """One of 16 MB, such as a long listing, would be encrypted before anybody else has a turn, and kept twice more."""
    body = bytes(range(256)) * 4096 + b"end"
    writing = make_writing()
    client, connection = begin()
    sends = count_sends(connection)
    writing.answer(connection, page(body))
    settle(writing)
    data = client.read()
    while not ended or client.end is None:
        settle(writing)
        data = client.read()
    assert data == HEADER + body
    assert client.end == "whole"
    assert connection.sent == len(HEADER) + len(body)
    assert max(sends) < 96 * 1024


def test_what_is_no_success_has_no_body(make_writing, begin):
    client, connection = begin()
    make_writing().answer(connection, Response(51, "Not found", b"x"))
    assert client.read() == b"51 Not found\r\n"


def test_a_source_is_read_to_its_end(make_writing, begin, ended, settle):
    writing = make_writing()
    client, connection = begin()
    source = ScriptedSource(b"one", b"two", b"")
    sends = count_sends(connection)
    writing.answer(connection, page(source))
    settle(writing)
    assert client.read() == HEADER + b"onetwo"
    assert client.end == "whole"
    assert len(sends) == 1
    assert (source.begun, source.closed) == (1, 1)
    assert list(ended) == [connection]


@pytest.mark.parametrize(
    ("sizes", "number"), [([65536], 2), ([65536, 1], 2), ([65535, 1], 2), ([65535], 1), ([9] * 9, 2)]
)
def test_so_much_goes_out_together(make_writing, begin, settle, sizes, number):
    writing = make_writing()
    client, connection = begin()
    sends = count_sends(connection)
    writing.answer(connection, page(ScriptedSource(*[b"x" * size for size in sizes], b"")))
    settle(writing)
    assert client.read() == HEADER + b"x" * sum(sizes)
    assert client.end == "whole"
    assert len(sends) == number


def test_what_came_before_a_body_broke_off_is_sent(make_writing, begin, settle, ended):
    writing = make_writing()
    client, connection = begin()
    writing.answer(connection, page(ScriptedSource(b"one", BrokenBody("a fault"))))
    settle(writing)
    assert client.read() == HEADER + b"one"
    assert client.end == "broken"
    assert list(ended) == [connection]


def test_an_empty_source_goes_out_in_one_piece(make_writing, begin):
    client, connection = begin()
    sends = count_sends(connection)
    make_writing().answer(connection, page(ScriptedSource(b"")))
    assert client.read() == HEADER
    assert client.end == "whole"
    assert len(sends) == 1


def test_the_header_does_not_wait_for_the_body(make_writing, begin, settle, ended):
    writing = make_writing()
    client, connection = begin()
    source = ScriptedSource(None)
    writing.answer(connection, page(source))
    settle(writing)
    assert client.read() == HEADER
    assert client.end is None
    source.pieces = [b"x", b""]
    source.helper.wake()
    settle(writing)
    assert client.read() == HEADER + b"x"
    assert client.end == "whole"


def test_others_have_their_turn_between_many_pieces(make_writing, begin, settle, ended, monkeypatch):
    monkeypatch.setattr(module, "_MAX_TURN", 60.0)
    writing = make_writing()
    client, connection = begin()
    source = ScriptedSource(*[b"x"] * 100, b"")
    sends = count_sends(connection)
    writing.answer(connection, page(source))
    assert source.reads == 64
    assert len(sends) == 8
    assert writing.runnable() == [connection]
    assert len(writing) == 1
    settle(writing)
    assert client.read() == HEADER + b"x" * 100
    assert client.end == "whole"
    assert len(writing) == 0


def test_others_have_their_turn_before_pieces_that_take_long_to_make(make_writing, begin, settle, monkeypatch):
    """Such as those of an application that says each octet for itself."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def make():
        now[0] += 0.001
        return b"x"

    writing = make_writing()
    client, connection = begin()
    source = ScriptedSource(*[make] * 100, b"")
    writing.answer(connection, page(source))
    assert source.reads == 16  # a part of 8, and the one in which the time is over
    assert writing.runnable() == [connection]
    settle(writing)
    assert client.read() == HEADER + b"x" * 100
    assert client.end == "whole"


def test_what_a_client_sends_between_two_turns_is_no_request(make_writing, begin, settle, ended):
    writing = make_writing()
    client, connection = begin()
    writing.answer(connection, page(ScriptedSource(*[b"x"] * 70, b"")))
    assert writing.runnable() == [connection]
    client.send(b"gemini://localhost/other\r\n")
    client.finish_sending()
    settle(writing)
    assert client.read() == HEADER + b"x" * 70
    assert client.end == "whole"


def test_a_client_that_leaves_between_two_turns(make_writing, begin, settle, ended, losses):
    writing = make_writing()
    client, connection = begin(tcp_pair())
    source = ScriptedSource(*[b"x"] * 70, b"")
    writing.answer(connection, page(source))
    client.reset()
    settle(writing)
    assert source.closed == 1
    assert list(ended) == [connection]
    assert len(losses) == 1
    assert not connection.complete


# Waiting for an answer


def test_a_source_is_asked_again_when_its_descriptor_is_readable(make_writing, begin, settle, turn, ended):
    writing = make_writing()
    client, connection = begin()
    source = PipeSource()
    writing.answer(connection, page(source))
    settle(writing)
    reads = source.reads
    assert settle(writing) == 0
    assert source.reads == reads
    os.write(source.input, b"one")
    settle(writing)
    os.write(source.input, b"two")
    settle(writing)
    assert client.read() == HEADER + b"onetwo"
    os.close(source.input)
    settle(writing)
    assert client.read() == HEADER + b"onetwo"
    assert client.end == "whole"
    assert source.closed == 1


def test_a_source_is_asked_again_at_its_deadline(make_writing, begin, ended):
    writing = make_writing()
    client, connection = begin()
    source = ScriptedSource(None, None, deadline=time.monotonic() + 0.3)
    writing.answer(connection, page(source))
    assert writing.next_deadline() == source.deadline
    assert writing.expired(source.deadline - 0.1) == []
    source.pieces = [b"x", b""]
    assert writing.expired(source.deadline) == [connection]
    writing.resume(connection)
    assert client.read() == HEADER + b"x"


def test_one_without_a_deadline_is_looked_at_every_second(make_writing, begin):
    writing = make_writing()
    _, connection = begin()
    source = ScriptedSource()
    writing.answer(connection, page(source))
    now = time.monotonic()
    assert now < writing.next_deadline() <= now + 1.0
    assert writing.expired(now + 1.1) == [connection]
    writing.drop(connection)


def test_descriptors_may_change(make_writing, begin, poller, turn):
    writing = make_writing()
    _, connection = begin()
    first, second = os.eventfd(1), os.eventfd(1)
    source = ScriptedSource(descriptors=[first])
    writing.answer(connection, page(source))
    source.descriptors = [second]
    turn()
    assert set(poller._owners) == {connection.fd, second}
    writing.drop(connection)
    assert poller._owners == {}
    os.close(first)
    os.close(second)


def test_a_readable_descriptor_that_says_nothing_new_costs_nothing_while_the_client_is_blocked(
    make_writing, begin, settle, turn, slow_pair
):
    writing = make_writing()
    _, connection = begin(slow_pair())
    always = os.eventfd(1)
    source = ScriptedSource(None, None, b"x" * 4_000_000, descriptors=[always])
    writing.answer(connection, page(source))
    settle(writing)
    assert source.reads == 3
    assert sum(turn() for _ in range(10)) == 0
    writing.drop(connection)
    os.close(always)


def test_woken_after_its_end(make_writing, begin, settle, ended):
    writing = make_writing()
    _, connection = begin()
    source = ScriptedSource()
    writing.answer(connection, page(source))
    writing.drop(connection)
    source.helper.wake()
    settle(writing)
    assert source.closed == 1
    assert list(ended) == [connection]


def test_woken_while_it_is_blocked(make_writing, begin, settle, slow_pair, ended):
    writing = make_writing()
    client, connection = begin(slow_pair())
    source = ScriptedSource(b"x" * 4_000_000)
    fill(writing, client, connection, settle, source)
    source.helper.wake()
    settle(writing)
    assert source.reads == 1
    writing.drop(connection)
    assert source.closed == 1


def test_a_pending_answer_becomes_a_page(make_writing, begin, settle, ended):
    writing = make_writing()
    client, connection = begin()
    pending = ScriptedPending(None, page(b"x"))
    writing.answer(connection, pending)
    assert client.read() == b""
    pending.helper.wake()
    settle(writing)
    assert client.read() == HEADER + b"x"
    assert pending.closed == 1
    assert list(ended) == [connection]


def test_a_pending_answer_becomes_the_body_itself(make_writing, begin, settle):
    writing = make_writing()
    client, connection = begin()
    pending = ScriptedPending(lambda: page(pending), b"x", b"")
    writing.answer(connection, pending)
    settle(writing)
    assert client.read() == HEADER + b"x"
    assert (pending.begun, pending.closed) == (1, 1)


def test_a_pending_answer_becomes_another_one(make_writing, begin, settle, ended):
    writing = make_writing()
    client, connection = begin()
    descriptor = os.eventfd(0)
    second = ScriptedPending(None, page(b"x"))
    first = ScriptedPending(None, second, descriptors=[descriptor])
    writing.answer(connection, first)
    first.helper.wake()
    settle(writing)
    assert (first.closed, second.begun, second.closed) == (1, 1, 0)
    assert connection.watched == set()
    assert len(writing) == 1
    assert not ended
    second.helper.wake()
    settle(writing)
    assert client.read() == HEADER + b"x"
    assert (first.closed, second.closed) == (1, 1)
    assert list(ended) == [connection]
    os.close(descriptor)


def test_another_one_may_become_the_body_itself(make_writing, begin, settle):
    writing = make_writing()
    client, connection = begin()
    second = ScriptedPending(lambda: page(second), b"x", b"")
    first = ScriptedPending(second)
    writing.answer(connection, first)
    settle(writing)
    assert client.read() == HEADER + b"x"
    assert (first.closed, second.begun, second.closed) == (1, 1, 1)


def test_a_client_that_leaves_while_another_one_is_awaited(make_writing, begin, settle, ended, losses):
    writing = make_writing()
    client, connection = begin(tcp_pair())
    second = ScriptedPending()
    first = ScriptedPending(second)
    writing.answer(connection, first)
    client.reset()
    settle(writing)
    assert (first.closed, second.closed) == (1, 1)
    assert list(ended) == [connection]
    assert len(losses) == 1


def test_a_pending_answer_may_be_a_refusal(make_writing, begin):
    client, connection = begin()
    pending = ScriptedPending(NotFound("Not found"))
    make_writing().answer(connection, pending)
    assert client.read() == b"51 Not found\r\n"
    assert pending.closed == 1


def test_a_thread_works_for_an_answer_and_wakes_it(make_writing, begin, poller, turn, settle):
    writing = make_writing(threads=1)
    client, connection = begin()
    pending, done = ScriptedPending(None), []

    def work():
        done.append(page(b"x"))

    writing.answer(connection, pending)
    pending.pieces = [lambda: done[0]]
    assert pending.helper.run(work)
    while not poller.woken:
        turn(10.0)
    settle(writing)
    assert client.read() == HEADER + b"x"


def test_the_thread_is_free_again_when_its_answer_is_woken(make_writing, begin, poller, turn):
    writing = make_writing(threads=1)
    _, connection = begin()
    source = ScriptedSource()
    writing.answer(connection, page(source))
    for _ in range(50):
        assert source.helper.run(lambda: None)
        while not poller.woken:
            turn(10.0)
        poller.woken.clear()
    writing.drop(connection)


# Clients that go


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_client_that_leaves_while_its_answer_is_awaited(make_writing, begin, settle, ended, losses, leave):
    writing = make_writing()
    client, connection = begin(tcp_pair() if leave == "reset" else None)
    pending = ScriptedPending()
    writing.answer(connection, pending)
    client.reset() if leave == "reset" else client.socket.close()
    settle(writing)
    assert losses == ["response broke off: the client left"]
    assert list(ended) == [connection]
    assert pending.closed == 1


@pytest.mark.parametrize("sockets", [tcp_pair, socket.socketpair])
def test_a_client_that_only_stops_sending_gets_its_answer(make_writing, begin, settle, turn, sockets):
    writing = make_writing()
    client, connection = begin(sockets())
    pending = ScriptedPending()
    writing.answer(connection, pending)
    client.finish_sending()
    assert sum(turn() for _ in range(10)) == 1  # which is how the kernel is told that nobody wants to know
    pending.pieces = [page(b"x")]
    pending.helper.wake()
    settle(writing)
    assert client.read() == HEADER + b"x"
    assert client.end == "whole"


def test_a_reset_while_the_client_is_blocked(make_writing, begin, settle, slow_pair, ended, losses):
    writing = make_writing()
    client, connection = begin(slow_pair())
    source = ScriptedSource(b"x" * 4_000_000)
    fill(writing, client, connection, settle, source)
    client.reset()
    settle(writing)
    assert len(losses) == 1
    assert list(ended) == [connection]
    assert source.closed == 1


def test_a_reset_before_the_answer_begins(make_writing, begin, settle, ended, losses):
    writing = make_writing()
    client, connection = begin(tcp_pair())
    client.reset()
    writing.answer(connection, page(b"x"))
    settle(writing)
    assert len(losses) == 1
    assert list(ended) == [connection]
    assert not connection.complete


# Broken bodies


def test_a_broken_body_has_no_close_notify(make_writing, begin, ended, caplog):
    client, connection = begin()
    source = ScriptedSource(b"half", BrokenBody("the disk is gone"))
    make_writing().answer(connection, page(source))
    assert client.read() == HEADER + b"half"
    assert client.end == "broken"
    assert source.closed == 1
    assert list(ended) == [connection]
    assert not connection.complete
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_body_that_nobody_waits_for_is_no_warning(make_writing, begin, ended, losses, caplog):
    client, connection = begin()
    source = ScriptedSource(b"half", ClientLeft("enough"))
    make_writing().answer(connection, page(source))
    client.read()
    assert client.end == "broken"
    assert losses == ["response broke off: enough"]
    assert source.closed == 1
    assert caplog.records == []


def test_a_pending_answer_that_nobody_waits_for(make_writing, begin, ended, losses):
    client, connection = begin()
    pending = ScriptedPending(ClientLeft("enough"))
    make_writing().answer(connection, pending)
    client.read()
    assert (client.end, client.data) == ("broken", b"")
    assert pending.closed == 1
    assert losses == ["response broke off: enough"]


def test_another_answer_in_place_of_one_that_can_t_be(make_writing, begin, ended):
    writing = make_writing()
    client, connection = begin()
    source = ScriptedSource()
    with pytest.raises(ValueError, match="control character"):
        writing.answer(connection, Response(20, "a\nb", source))
    writing.replace(connection, Response(40, "Sorry"))
    assert client.read() == b"40 Sorry\r\n"
    assert source.closed == 1
    assert list(ended) == [connection]


def test_a_fault_in_closing_an_answer_comes_when_all_else_is_done(make_writing, begin, ended):
    writing = make_writing()

    class Bad(ScriptedSource):
        def close(self):
            super().close()
            raise RuntimeError("can't")

    sources = Bad(b"x", b""), Bad(b"x", BrokenBody("broken"))
    for source, end in zip(sources, ("whole", "broken"), strict=True):
        client, connection = begin()
        with pytest.raises(RuntimeError, match="can't"):
            writing.answer(connection, page(source))
        client.read()
        assert client.end == end
        assert ended.pop() is connection
        assert source.closed == 1


def test_a_fault_of_tls_is_the_end(make_writing, begin, ended, losses):
    _, connection = begin()
    connection.tls.send_close_notify()
    make_writing().answer(connection, page(b"x"))
    assert len(losses) == 1
    assert list(ended) == [connection]


def test_an_answer_whose_descriptor_can_t_be_watched(make_writing, begin, poller, tmp_path):
    writing = make_writing()
    client, connection = begin()
    pipe, file = os.eventfd(0), os.open(tmp_path, os.O_RDONLY)
    pending = ScriptedPending(descriptors=[pipe, file])
    with pytest.raises(PermissionError):
        writing.answer(connection, pending)
    writing.replace(connection, Response(40, "Sorry"))
    assert set(poller._owners) == {connection.fd}
    assert client.read() == b"40 Sorry\r\n"
    assert pending.closed == 1
    os.close(pipe)
    os.close(file)


# Slow clients


def test_a_source_is_not_read_while_its_client_is_blocked(make_writing, begin, settle, turn, slow_pair, ended):
    writing = make_writing()
    client, connection = begin(slow_pair())
    source = ScriptedSource(*[b"x" * 65536] * 50, b"")
    fill(writing, client, connection, settle, source)
    reads = source.reads
    assert reads < 20
    assert sum(turn() for _ in range(10)) == 0
    assert source.reads == reads
    assert connection.outgoing < 70_000
    while client.end is None:
        client.read()
        settle(writing)
        assert connection.outgoing < 70_000
    assert client.data == HEADER + b"x" * 65536 * 50
    assert client.end == "whole"
    assert source.closed == 1


def test_a_source_that_ends_while_its_client_is_blocked(make_writing, begin, settle, turn, slow_pair):
    writing = make_writing()
    client, connection = begin(slow_pair())
    source = PipeSource()
    os.write(source.input, b"x" * 65536)
    writing.answer(connection, page(source))
    settle(writing)
    os.write(source.input, b"y" * 60000)
    settle(writing)
    os.write(source.input, b"z" * 1000)
    os.close(source.input)
    settle(writing)
    assert sum(turn() for _ in range(10)) == 0
    while client.end is None:
        client.read()
        settle(writing)
    assert client.data == HEADER + b"x" * 65536 + b"y" * 60000 + b"z" * 1000
    assert client.end == "whole"


def test_a_client_that_takes_nothing_is_cut_at_the_deadline(make_writing, begin, settle, slow_pair, losses, ended):
    writing = make_writing(timeout=30.0)
    client, connection = begin(slow_pair())
    fill(writing, client, connection, settle, b"x" * 4_000_000)
    deadline = connection.deadline
    assert writing.next_deadline() == deadline
    expire(writing, deadline - 1.0)
    assert len(writing) == 1
    expire(writing, deadline)
    assert losses == ["response broke off: the client reads too slowly"]
    assert list(ended) == [connection]


def test_a_client_that_takes_a_block_has_the_whole_time_again(make_writing, begin, settle, slow_pair, losses):
    writing = make_writing(timeout=30.0)
    client, connection = begin(slow_pair())
    fill(writing, client, connection, settle, b"x" * 4_000_000)
    connection.deadline -= 20.0
    before = connection.deadline
    while client.octets < 2 * BLOCK_SIZE:
        client.read(4096)
        settle(writing)
    assert connection.deadline > before
    expire(writing, before)
    assert losses == []
    writing.drop(connection)


def test_a_client_that_takes_less_than_a_block_is_cut(make_writing, begin, settle, slow_pair, losses):
    writing = make_writing(timeout=30.0)
    client, connection = begin(slow_pair())
    fill(writing, client, connection, settle, b"x" * 4_000_000)
    deadline = connection.deadline
    while client.octets < BLOCK_SIZE // 4:
        client.read(4096)
        settle(writing)
    assert connection.deadline == deadline
    expire(writing, deadline)
    assert len(losses) == 1


def test_what_counts_is_what_the_client_s_kernel_has(make_writing, begin, settle, turn, losses):
    writing = make_writing(timeout=30.0)
    client, connection = begin(tcp_pair(receive=4096, send=2_000_000))
    fill(writing, client, connection, settle, b"x" * 8_000_000)
    while client.octets < BLOCK_SIZE * 3 // 2:
        client.read(4096)
        assert turn() == 0  # Linux has not said POLLOUT yet
    expire(writing, connection.deadline)
    assert losses == []
    expire(writing, connection.deadline)
    assert len(losses) == 1


# Too many


def test_the_oldest_of_those_who_linger_goes_first(make_writing, begin, settle):
    writing = make_writing(most=2)
    pairs = [begin() for _ in range(3)]
    for _, connection in pairs:
        writing.answer(connection, page(b"x"))
    assert [connection in writing.closing for _, connection in pairs] == [False, True, True]


def test_then_the_oldest_of_those_who_are_slow(make_writing, begin, settle, slow_pair, losses, counted):
    writing = make_writing(most=2)
    pairs = [begin(slow_pair()) for _ in range(3)]
    for _, connection in pairs:
        writing.answer(connection, page(b"x" * 4_000_000))
    assert losses == ["response broke off: too many read too slowly"]
    assert counted()["evictions"] == {"slow": 1}
    assert [connection.socket.fileno() < 0 for _, connection in pairs] == [True, False, False]
    for _, connection in pairs[1:]:
        writing.drop(connection)


def test_those_who_wait_for_an_answer_are_no_reason_to_fail(make_writing, begin, losses):
    writing = make_writing(most=1)
    pairs = [begin() for _ in range(3)]
    for _, connection in pairs:
        writing.answer(connection, ScriptedPending())
    writing.evict_oldest()
    assert len(writing) == 3
    assert losses == []
    for _, connection in pairs:
        writing.drop(connection)
