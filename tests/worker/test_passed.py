"""What a connection that is passed on holds, and how it is closed."""

import pytest

from gemd.protocol.proxy_header import ProxyHeader
from gemd.system.client_socket import reset_on_close
from gemd.worker import flow
from gemd.worker.flow import Flow, FlowError
from gemd.worker.passed import PassedConnection
from tests.support.gemini_client import tcp_pair
from tests.support.upstreams import upstream_at
from tests.support.waiting import wait_for


@pytest.fixture
def passed(connect):
    """One with both directions, and the far ends of its sockets: the client's and the upstream's."""
    client, connection = connect(tcp_pair())
    far, near = tcp_pair()
    far.setblocking(False)
    made = PassedConnection(connection, b"", "b.example", upstream_at("127.0.0.1:1"))
    made.link = near
    made.up, made.down = Flow(made.socket, near), Flow(near, made.socket)
    yield made, client.socket, far
    far.close()
    made.close()


def end_of(sock):
    """How it ends."""
    try:
        return "" if sock.recv(100) else "whole"
    except BlockingIOError:
        return ""
    except ConnectionResetError:
        return "reset"


def test_it_takes_over_what_is_known_of_its_client(connect):
    _, connection = connect()
    left = []
    connection.leave = lambda: left.append(connection)
    connection.accepted -= 5.0
    connection.proxy_header = ProxyHeader(hops=2)
    made = PassedConnection(connection, b"hello", "b.example", upstream_at("127.0.0.1:1"))
    assert (made.accepted, made.hops, made.held, made.flows) == (connection.accepted, 2, 5, ())
    connection.close()
    assert left == []
    made.close()
    assert len(left) == 1


def test_it_is_read_from_where_what_comes_is_taken(passed):
    made, _, _ = passed
    assert made.is_read_from(made.socket)
    made.up.kept = b"waits"
    assert not made.is_read_from(made.socket)
    assert made.is_read_from(made.link)
    assert made.held == 5


def test_a_close_ends_both_sides(passed):
    made, client, upstream = passed
    made.close()
    assert [wait_for(lambda sock=sock: end_of(sock), "the end") for sock in (client, upstream)] == ["whole", "whole"]
    assert made.link is None


def test_an_abort_resets_both_sides(passed):
    made, client, upstream = passed
    made.abort()
    assert [wait_for(lambda sock=sock: end_of(sock), "the end") for sock in (client, upstream)] == ["reset", "reset"]


def test_what_gets_on_in_the_kernels_is_progress(passed, monkeypatch):
    made, _, _ = passed
    undelivered = {made.up: 0, made.down: 0}
    monkeypatch.setattr(
        flow, "count_undelivered", lambda sock: undelivered[made.down if sock is made.socket else made.up]
    )
    made.down.sent, undelivered[made.down] = 1000, 1000
    assert not made.take_progress()
    undelivered[made.down] = 900
    assert made.take_progress()
    assert not made.take_progress()
    undelivered[made.down] = 0  # all of it: what follows is silence
    assert not made.take_progress()


def test_what_came_before_a_reset_is_passed_on(passed):
    made, client, upstream = passed
    upstream.send(b"half")
    reset_on_close(upstream)
    upstream.close()
    with pytest.raises(FlowError, match="ECONNRESET"):
        wait_for(lambda: made.pump_before_error(made.link), "the reset")
    assert wait_for(lambda: receive(client), "half") == b"half"


def receive(sock):
    try:
        return sock.recv(100)
    except BlockingIOError:
        return b""


def test_a_reset_behind_an_answer_that_waits_is_told_behind_it(passed):
    made, _, upstream = passed
    made.down.kept = b"an answer"
    upstream.close()
    made.pump_before_error(made.link)
    made.down.kept = b""
    made.down.has_ended = True
    made.pump_before_error(made.link)
