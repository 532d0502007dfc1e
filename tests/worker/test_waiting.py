import math
import os
import time
from types import SimpleNamespace

import pytest

from gemd.protocol.url import parse_url
from gemd.shared.under_way import SIZE, UnderWay
from gemd.worker.waiting import AnswerHelper, Waiting
from tests.support.answers import ScriptedPending, ScriptedSource


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


def test_what_an_answer_does_in_a_thread_is_shown_when_it_says_so():
    under_way = UnderWay(memoryview(bytearray(SIZE)))
    helper = AnswerHelper(
        SimpleNamespace(request=SimpleNamespace(url=parse_url(b"gemini://h/a?b"))), None, None, under_way
    )
    with helper.show():
        assert under_way.read() == ["h/a"]
    assert under_way.read() == []
