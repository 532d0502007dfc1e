"""A worker's parts without a worker: connections over socket pairs, and turns of the loop one at a time.

After each test nobody may be left in the poller.
"""

import socket
import time
from collections import deque

import pytest

from gemd.config.settings import TLS, Limits, Timeouts
from gemd.protocol.peer import Peer
from gemd.shared.under_way import SIZE, UnderWay
from gemd.system.certificates import find_or_make
from gemd.system.tls_context import build_context
from gemd.worker.closing import Closing
from gemd.worker.connection import Connection
from gemd.worker.lookups import Lookups
from gemd.worker.poller import Poller
from gemd.worker.reading import Reading
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.waiting import AnswerHelper
from gemd.worker.writing import Writing
from tests.support.gemini_client import Client, tcp_pair
from tests.support.waiting import wait_for

URL = b"gemini://localhost/\r\n"


@pytest.fixture(scope="session")
def context(tmp_path_factory):
    """Of the server."""
    return build_context(find_or_make(tmp_path_factory.mktemp("certificates"), ("localhost",)), TLS())


@pytest.fixture
def losses():
    """Why connections ended that ended through no fault of ours."""
    return []


@pytest.fixture
def poller():
    poller = Poller()
    yield poller
    assert poller._owners == {}
    poller.close()


@pytest.fixture
def turn(poller):
    """Let everybody be told of what has happened; how many were."""

    def turn(timeout=0.0):
        count = 0
        for act, connection, events in poller.wait(timeout):
            act(connection, events)
            count += 1
        return count

    return turn


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
def until(turn):
    """Turns until something is so."""

    def until(condition, what):
        wait_for(lambda: (turn(), condition())[1], what)

    return until


@pytest.fixture
def connect(context):
    """A client and its connection: over TCP, or a socket pair; at the beginning, or with the handshake done."""
    made = []

    def connect(sockets=None, *, shaken=False, client_context=None):
        its, ours = sockets or socket.socketpair()
        tls = context.make_connection()
        peer = Peer("127.0.0.1", 1, "127.0.0.1", 1965, tls)
        connection = Connection(ours, tls, peer, time.monotonic() + 60.0)
        client = Client(its, client_context)
        made.append((client, connection))
        if shaken:
            shake_hands(client, connection)
        return client, connection

    yield connect
    for client, connection in made:
        client.socket.close()
        connection.socket.close()


def expire(state, now):
    """What the event loop does with those whose time is over."""
    for connection in state.expired(now):
        state.time_out(connection, now)


def shake_hands(client, connection):
    """Both sides, without any loop."""
    is_done = False
    for _ in range(5):
        is_done = client.shake_hands() or is_done
        data = connection.receive(65536)
        if data:
            connection.tls.feed(data)
        connection.handshaken = connection.tls.handshake()
        assert connection.flush()
        if is_done and connection.handshaken:
            return
    raise AssertionError("the handshake does not end")


@pytest.fixture
def slow_pair():
    """A TCP pair whose buffers hold little."""
    return lambda: tcp_pair(receive=4096, send=4096)


@pytest.fixture
def ready():
    return deque()


@pytest.fixture
def ended():
    return deque()


@pytest.fixture
def make_reading(poller, ready, losses):
    made = []

    def make(*, most=100, max_bytes=16 * 1024):
        limits = Limits(request_bytes=max_bytes)
        report_loss = lambda _, reason: losses.append(reason)  # noqa: E731
        made.append(Reading(poller, limits, most, ready, report_loss))
        return made[-1]

    yield make
    for reading in made:
        for connection in reading._connections:
            reading.drop(connection, "the test is over")


@pytest.fixture
def make_closing(poller):
    made = []

    def make(*, timeout=60.0, delivery=60.0):
        made.append(Closing(poller, Timeouts(close=timeout, response=delivery)))
        return made[-1]

    yield make
    for closing in made:
        while closing.drop_oldest():
            pass


@pytest.fixture
def make_writing(poller, make_closing, ended, losses):
    """Writing, with its closing as `closing` beside it."""
    made = []

    def make(*, timeout=60.0, most=100, threads=2):
        closing = make_closing()
        pool, timeouts = ThreadPool(threads), Timeouts(response=timeout)
        lookups = Lookups(pool)
        report_loss = lambda _, reason: losses.append(reason)  # noqa: E731
        under_way = UnderWay(memoryview(bytearray(SIZE)))
        make_helper = lambda connection: AnswerHelper(connection, poller, pool, lookups, under_way)  # noqa: E731
        writing = Writing(poller, make_helper, closing, timeouts, most, ended, report_loss)
        writing.closing = closing
        made.append(writing)
        return writing

    yield make
    assert all(len(writing) == 0 for writing in made)
