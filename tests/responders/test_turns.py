import threading
import time
from types import SimpleNamespace

import pytest

from gemd.responders import turns as turns_module
from gemd.responders.turns import Turns

A, B = "192.0.2.1", "192.0.2.2"


class Work:
    """A thread that has a turn until it is told to end it."""

    def __init__(self, turns, client, order):
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(turns, client, order))
        self._thread.start()

    def _run(self, turns, client, order):
        with turns.turn_of(client):
            order.append(self)
            self.has_begun.set()
            self.may_end.wait(10)

    def end(self):
        self.may_end.set()
        self._thread.join(10)


@pytest.fixture
def order():
    """Work whose turn has come."""
    return []


@pytest.fixture
def make_work(order):
    turns, made = Turns(), []

    def make(client):
        made.append(Work(turns, client, order))
        deadline = time.monotonic() + 10
        while turns._places.waiting + len(order) < len(made) and time.monotonic() < deadline:
            time.sleep(0.001)  # until it is known, so that the next one comes after it
        return made[-1]

    yield make
    for work in made:
        work.end()


def test_one_at_a_time(make_work, order):
    works = [make_work(client) for client in (A, B, A)]
    for number, work in enumerate(works):
        assert work.has_begun.wait(10)
        assert order == works[: number + 1]
        work.end()


def test_who_takes_too_long_is_passed_and_the_others_still_take_turns(make_work, order, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(turns_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(turns_module, "_LOOK_INTERVAL", 0.01)
    works = [make_work(A) for _ in range(4)]
    assert works[0].has_begun.wait(10)
    now[0] += 4.9
    assert not works[1].has_begun.wait(0.1)
    now[0] += 0.2
    assert works[1].has_begun.wait(10)
    assert not works[2].has_begun.wait(0.1)
    works[0].end()  # its turn was over before
    assert not works[2].has_begun.wait(0.1)
    works[1].end()
    assert works[2].has_begun.wait(10)
    assert not works[3].has_begun.wait(0.1)
    assert order == works[:3]


def test_a_turn_ends_with_what_it_raises():
    turns = Turns()
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), turns.turn_of(A):
            raise ValueError("inside")
