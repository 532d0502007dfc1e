from types import SimpleNamespace

import pytest

from gemd.config.settings import Limits, Timeouts
from gemd.worker import memory as memory_module
from gemd.worker.memory import Memory
from gemd.worker.writing import BLOCK_SIZE

MIB = 1024 * 1024
TIMEOUTS = Timeouts(response=BLOCK_SIZE / 10_000)  # the least is 10 KB a second


class State(list):
    """Connections in a state."""

    @property
    def blocked(self):
        return self


def connection(held, progress=0):
    return SimpleNamespace(held=held, progress=progress, renewed=0.0)


@pytest.fixture
def make_memory():
    """Looks after so many bytes, with connections that are read and that are blocked, however few."""

    def make(limit, reading=(), writing=()):
        memory = Memory(State(reading), State(writing), TIMEOUTS, Limits(buffered=MIB))
        memory._max_held = limit
        memory._few = 0
        return memory

    return make


@pytest.fixture
def given(monkeypatch):
    """A list that is as long as memory was given back often."""
    given = []
    monkeypatch.setattr(memory_module.process, "give_memory_back", lambda: given.append(True))
    return given


def test_below_the_limit_nobody_goes(make_memory):
    assert make_memory(300, [connection(100)], [connection(100), connection(100)]).look(1.0, 3) == []


def test_the_largest_go_until_it_is_enough(make_memory):
    small, large, larger = connection(50), connection(100), connection(200)
    memory = make_memory(120, [small], [large, larger])
    assert memory.look(1.0, 3) == [larger, large]
    assert memory.look(1.04, 3) == []  # it was counted a moment ago
    assert memory.look(1.06, 3) == [larger, large]


def test_who_is_slow_goes_first_however_large_the_others_are(make_memory):
    quick, quicker, slow = connection(200, 12_000), connection(300, 12_000), connection(100, 9_000)
    memory = make_memory(500, [], [quick, quicker, slow])
    assert memory.look(1.0, 3) == [slow]
    memory._max_held = 499
    assert memory.look(1.1, 3) == [slow, quicker]


def test_of_equals_the_oldest_goes(make_memory):
    connections = [connection(100) for _ in range(3)]
    assert make_memory(250, [], connections).look(1.0, 3) == connections[:1]


def test_a_request_that_is_not_complete_is_slow(make_memory):
    asking = connection(100, 1_000_000)  # what its client takes is not asked for
    assert make_memory(50, [asking]).look(1.0, 1) == [asking]


def test_few_are_not_counted():
    """What two connections can hold is no more than the limit."""
    memory = Memory(State([None]), State([None]), TIMEOUTS, Limits(buffered=MIB))
    assert memory.look(1.0, 2) == []
    with pytest.raises(AttributeError):
        Memory(State([None]), State([None] * 2), TIMEOUTS, Limits(buffered=MIB)).look(1.0, 3)


def test_memory_is_given_back_when_most_of_many_have_left(make_memory, given):
    memory = make_memory(MIB)
    for number in (100, 200, 100, 21):
        memory.look(1.0, number)
    assert given == []
    for number in (20, 19, 0):
        memory.look(1.0, number)
    assert given == [True]


def test_not_after_few(make_memory, given):
    memory = make_memory(MIB)
    for number in (199, 0, 199, 0):
        memory.look(1.0, number)
    assert given == []
