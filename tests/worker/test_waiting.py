import math
import os
import select
import socket
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from gemd.protocol.response import when_writable
from gemd.protocol.url import parse_url
from gemd.shared.under_way import SIZE, UnderWay
from gemd.worker.lookups import Lookups
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.waiting import AnswerHelper, Waiting
from tests.support.answers import ScriptedPending, ScriptedSource
from tests.support.waiting import wait_for


@pytest.fixture
def told():
    return []


@pytest.fixture
def waiting(poller, told):
    return Waiting(poller, lambda connection, _events: told.append(connection))


@pytest.fixture
def eventfd():
    made = []

    def eventfd(value=0):
        made.append(os.eventfd(value))
        return made[-1]

    yield eventfd
    for fd in made:
        os.close(fd)


class Waiter:
    """As much of a connection as matters here."""

    def __init__(self, fd, source=None, pending=None):
        self.fd = fd
        self.source, self.pending = source, pending
        self.watched, self.deadline, self.state = set(), 0.0, None


def test_it_is_told_of_its_descriptors(waiting, eventfd, turn, told):
    one, fd = Waiter(1000), eventfd()
    one.source = ScriptedSource(descriptors=[fd])
    waiting.add(one)
    assert turn() == 0
    os.eventfd_write(fd, 1)
    assert turn() == 1
    assert turn() == 0  # until it says again that it waits
    waiting.add(one)
    turn()
    assert told == [one, one]
    waiting.unwatch(one)


def test_it_is_told_when_it_can_write(waiting, turn, told):
    near, far = socket.socketpair()
    with near, far:
        fd = near.fileno()
        one = Waiter(1000, ScriptedSource(descriptors=[fd, when_writable(fd)]))
        waiting.add(one)
        assert one.watched == {fd}
        assert (turn(), turn()) == (1, 0)
        near.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                near.send(bytes(65536))
        waiting.add(one)
        assert turn() == 0
        far.send(b"x")
        assert turn() == 1
        one.source.descriptors = [when_writable(fd)]
        waiting.add(one)
        assert turn() == 0  # what comes is of no interest now
        while len(far.recv(1 << 20)) == 1 << 20 or not select.select([], [near], [], 0)[1]:
            pass
        assert turn() == 1
        waiting.unwatch(one)
    assert told == [one, one, one]


def test_those_that_are_waited_for_no_more_are_not_watched(waiting, eventfd, poller):
    one, fds = Waiter(1000), [eventfd(), eventfd(), eventfd()]
    one.source = ScriptedSource(descriptors=fds[:2])
    waiting.add(one)
    one.source.descriptors = fds[1:]
    waiting.add(one)
    assert set(poller._owners) == set(fds[1:]) == one.watched
    waiting.unwatch(one)
    assert poller._owners == {}
    assert one.watched == set()


def test_it_stays_watched_while_it_is_elsewhere(waiting, eventfd, poller):
    one = Waiter(1000, ScriptedSource(descriptors=[eventfd()]))
    waiting.add(one)
    one.state.remove(one)
    assert one not in waiting
    assert len(poller._owners) == 1
    waiting.unwatch(one)


def test_an_answer_comes_before_its_body(waiting, eventfd):
    fd = eventfd()
    one = Waiter(1000, ScriptedSource(), ScriptedPending(descriptors=[fd]))
    waiting.add(one)
    assert one.watched == {fd}
    waiting.unwatch(one)


def test_what_was_watched_before_another_could_not_be_is_let_go(waiting, eventfd, poller, tmp_path):
    with (tmp_path / "file").open("w") as file:
        one = Waiter(1000, ScriptedSource(descriptors=[eventfd(), file.fileno(), eventfd()]))
        with pytest.raises(PermissionError):
            waiting.add(one)
        waiting.unwatch(one)
    assert poller._owners == {}


def test_deadlines_in_any_order(waiting):
    now = time.monotonic()
    assert waiting.next_deadline() == math.inf
    late, early = (Waiter(fd, ScriptedSource(deadline=now + s)) for fd, s in ((1000, 0.7), (1001, 0.5)))
    waiting.add(late)
    waiting.add(early)
    assert waiting.next_deadline() == now + 0.5
    assert waiting.expired(now + 0.4) == []
    assert waiting.expired(now + 0.6) == [early]
    assert waiting.next_deadline() == now + 0.7
    late.state.remove(late)
    assert waiting.next_deadline() > now + 0.4  # one look too many at most
    assert waiting.expired(now + 9.0) == [early]


def test_it_is_looked_at_every_second(waiting):
    now = time.monotonic()
    waiting.add(Waiter(1000, ScriptedSource()))
    assert now < waiting.next_deadline() <= time.monotonic() + 1.0


def test_each_descriptor_is_told_of_once(waiting, eventfd, turn, told):
    one = Waiter(1000, ScriptedSource(descriptors=[eventfd(1), eventfd(1)]))
    waiting.add(one)
    assert turn() == 2
    assert told == [one, one]
    assert turn() == 0
    waiting.unwatch(one)


def test_addresses_are_looked_up_for_an_answer(poller):
    one, pool = Waiter(1000), ThreadPool(1)
    helper = AnswerHelper(one, poller, pool, Lookups(pool), None)
    assert helper.resolve("192.0.2.7", 1966) == [(int(socket.AF_INET), ("192.0.2.7", 1966))]
    assert helper.resolve("localhost", 1966) is None
    wait_for(lambda: poller.woken, "an answer")
    assert poller.woken.popleft() is one
    assert helper.resolve("localhost", 1966)


def test_and_are_not_waited_for_by_who_has_left(poller):
    one, may_run = Waiter(1000), threading.Event()
    pool = ThreadPool(1)
    pool.run("a", lambda: may_run.wait(10), lambda: None)
    helper = AnswerHelper(one, poller, pool, Lookups(pool), None)
    helper.resolve("localhost", 1966)
    helper.forget("localhost", 1966)
    helper.forget("localhost", 1966)
    may_run.set()
    wait_for(lambda: helper.resolve("localhost", 1966), "an answer")
    assert len(poller.woken) <= 1  # that of the last who asked


def test_what_an_answer_does_in_a_thread_is_shown_when_it_says_so():
    under_way = UnderWay(memoryview(bytearray(SIZE)))
    helper = AnswerHelper(
        SimpleNamespace(request=SimpleNamespace(url=parse_url(b"gemini://h/a?b"))), None, None, None, under_way
    )
    with helper.show():
        assert under_way.read() == ["h/a"]
    assert under_way.read() == []
