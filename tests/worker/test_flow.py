"""One direction between two socket pairs: what comes out at the far end, and when nothing more is read."""

import contextlib
import errno
import random
import select
import socket

import pytest

from gemd.worker.flow import MAX_KEPT, Flow, FlowError
from tests.support.gemini_client import tcp_pair
from tests.support.waiting import wait_for


@pytest.fixture
def ends():
    """A flow between two connections, and the far ends of these."""
    (writer, source), (reader, sink) = tcp_pair(), tcp_pair(receive=4096, send=4096)
    socks = (writer, source, sink, reader)
    for sock in socks:
        sock.setblocking(False)
    yield Flow(source, sink), writer, reader
    for sock in socks:
        sock.close()


def read(reader, size=1 << 20):
    try:
        return reader.recv(size)
    except BlockingIOError:
        return None


def is_reset(sock):
    poller = select.poll()
    poller.register(sock, 0)
    return bool(poller.poll(0))


def pump_all(flow, reader, size):
    """What the reader gets, until it is so much."""
    got = b""
    for _ in range(100_000):
        flow.pump()
        got += read(reader) or b""
        if len(got) >= size:
            return got
    raise AssertionError(f"{len(got)} of {size} came")


def test_what_comes_goes_on_and_is_counted(ends):
    flow, writer, reader = ends
    assert not flow.pump()
    writer.send(b"hello")
    assert pump_all(flow, reader, 5) == b"hello"
    assert (flow.sent, flow.kept, flow.can_read) == (5, b"", True)


def test_one_turn_moves_one_piece():
    """Others have theirs before the next, however much is here."""
    with contextlib.ExitStack() as stack:
        pairs = tcp_pair(receive=1 << 20), tcp_pair(receive=1 << 20, send=1 << 20)
        source, writer, _, sink = (stack.enter_context(sock) for pair in pairs for sock in pair)
        writer.sendall(bytes(3 * MAX_KEPT))
        writer.shutdown(socket.SHUT_WR)
        wait_for(lambda: len(source.recv(4 * MAX_KEPT, socket.MSG_PEEK)) == 3 * MAX_KEPT, "all of it")
        flow = Flow(source, sink)
        sent = []
        while not flow.is_over:
            assert flow.pump()
            sent.append(flow.sent)
        assert sent == [MAX_KEPT, 2 * MAX_KEPT, 3 * MAX_KEPT, 3 * MAX_KEPT]


def test_whatever_was_there_before_goes_first(ends):
    _, writer, reader = ends
    flow = Flow(ends[0].source, ends[0].sink, b"before ")
    assert not flow.can_read
    writer.send(b"behind")
    assert pump_all(flow, reader, 13) == b"before behind"


def test_a_sink_that_takes_nothing_stops_the_reading(ends):
    flow, writer, reader = ends
    data = random.Random(1).randbytes(16 << 20)  # more than all the buffers of kernels in between
    sent = 0
    for _ in range(1000):  # turns that follow each other at once: both sides have time to settle
        with contextlib.suppress(BlockingIOError):
            sent += writer.send(data[sent : sent + MAX_KEPT])
        flow.pump()
    assert 0 < len(flow.kept) <= MAX_KEPT
    assert not flow.can_read
    assert sent < len(data)
    assert pump_all(flow, reader, sent) == data[:sent]
    assert flow.kept == b""


def test_an_end_is_passed_on_after_what_came_before(ends):
    flow, writer, reader = ends
    data = bytes(50_000)
    assert writer.send(data) == len(data)
    writer.shutdown(socket.SHUT_WR)
    assert pump_all(flow, reader, len(data)) == data
    while not flow.is_over:
        flow.pump()
    assert flow.has_ended
    assert wait_for(lambda: read(reader) == b"", "the end")
    assert not flow.pump()


def test_a_reset_names_the_socket_that_is_gone(ends):
    flow, writer, _ = ends
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.close()
    with pytest.raises(FlowError, match=errno.errorcode[errno.ECONNRESET]) as caught:
        flow.pump()
    assert caught.value.socket is flow.source


def test_a_sink_that_is_gone_is_named(ends):
    flow, writer, reader = ends
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reader.close()
    writer.send(b"x")
    wait_for(lambda: is_reset(flow.sink), "the reset")
    with pytest.raises(FlowError) as caught:
        flow.pump()
    assert caught.value.socket is flow.sink


def test_giving_up_forgets_what_was_kept(ends):
    flow = Flow(ends[0].source, ends[0].sink, b"kept")
    flow.give_up()
    assert (flow.kept, flow.is_over, flow.can_read, flow.pump()) == (b"", True, False, False)


def test_progress_is_what_the_far_kernel_has_taken(ends):
    flow, writer, _ = ends
    writer.send(b"x" * 1000)
    while flow.sent < 1000:
        flow.pump()
    while flow.delivered < 1000:
        continue
    assert flow.progress == 1000
    flow.note_progress()
    assert flow.progress == 0
