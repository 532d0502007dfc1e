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


class Held:
    """A connection that is blocked since 0.0, or not answered yet."""

    renewed = 0.0

    def __init__(self, held, progress=0, client="192.0.2.1", body=b""):
        self.held = held
        self.progress = progress
        self.client = client
        self.body = body


@pytest.fixture
def make_memory():
    """Looks after so many bytes, with connections that are read and that are blocked."""

    def make(limit, reading=(), writing=(), *others):
        memory = Memory(State(reading), State(writing), TIMEOUTS, Limits(buffered=MIB), others)
        memory._max_held = limit
        return memory

    return make


@pytest.fixture
def given(monkeypatch):
    """A list that is as long as memory was given back often."""
    given = []
    monkeypatch.setattr(memory_module.process, "give_memory_back", lambda: given.append(True))
    return given


def test_below_the_limit_nobody_goes(make_memory):
    assert make_memory(300, [Held(100)], [Held(100), Held(100)]).look(1.0, 3) == []


def test_the_largest_go_until_it_is_enough(make_memory):
    small, large, larger = Held(50), Held(100), Held(200)
    memory = make_memory(120, [small], [large, larger])
    assert memory.look(1.0, 3) == [larger, large]
    assert memory.look(1.04, 3) == []  # it was counted a moment ago
    assert memory.look(1.06, 3) == [larger, large]


def test_who_is_slow_goes_first_however_large_the_others_are(make_memory):
    quick, quicker, slow = Held(200, 12_000), Held(300, 12_000), Held(100, 9_000)
    memory = make_memory(500, [], [quick, quicker, slow])
    assert memory.look(1.0, 3) == [slow]
    memory._max_held = 499
    assert memory.look(1.1, 3) == [slow, quicker]


def test_of_equals_the_oldest_goes(make_memory):
    connections = [Held(100) for _ in range(3)]
    assert make_memory(250, [], connections).look(1.0, 3) == connections[:1]


def test_a_request_that_is_not_complete_is_slow(make_memory):
    asking = Held(100, 1_000_000)  # what its client takes is not asked for
    assert make_memory(50, [asking]).look(1.0, 1) == [asking]


def test_the_client_that_holds_most_goes_first_however_little_each_of_its_connections_does(make_memory):
    others = [Held(100, client="192.0.2.2"), Held(110, client="192.0.2.3")]
    many = [Held(60) for _ in range(10)]
    assert make_memory(600, others[:1], [*others[1:], *many]).look(1.0, 12) == many[:4]


def test_who_holds_nothing_stays(make_memory):
    asking, slow = Held(0), Held(100, 12_000)
    assert make_memory(50, [asking], [slow]).look(1.0, 2) == [slow]


def test_then_the_one_that_holds_most_without_that(make_memory):
    one, other, another = [[Held(size, client=client) for size in (100, 90)] for client in "abc"]
    gone = make_memory(250, [], [*one, *other, *another]).look(1.0, 6)
    assert gone == [one[0], other[0], another[0], one[1]]


def test_who_takes_enough_does_not_push_out_those_who_ask(make_memory):
    asking = Held(4, client="192.0.2.2")
    quick = [Held(100, 12_000) for _ in range(10)]
    assert make_memory(950, [asking], quick).look(1.0, 11) == quick[:1]


def test_nobody_is_slow_who_has_hardly_begun(make_memory):
    slow, beginner = Held(100, client="192.0.2.2"), Held(200)
    beginner.renewed = 0.5
    assert make_memory(250, [], [beginner, slow]).look(1.4, 2) == [slow]
    assert make_memory(250, [], [beginner, slow]).look(1.6, 2) == [beginner]


def test_who_is_passed_on_and_who_uploads_count_too(make_memory):
    passed, uploading = Held(200), Held(300, client="192.0.2.2")
    memory = make_memory(500, [], [], [passed], [uploading])
    assert memory.look(1.0, 2) == []
    memory._max_held = 499
    assert memory.look(1.1, 2) == [uploading]


def test_a_body_counts_once_however_many_have_it(make_memory):
    listing, other = bytes(600), bytes(500)
    sharing = [Held(100, client="192.0.2.2", body=listing) for _ in range(3)]
    assert make_memory(900, [], sharing).look(1.0, 3) == []
    alone = Held(100, body=other)
    assert make_memory(1499, [], [*sharing, alone]).look(1.0, 4) == sharing[:1]
    assert make_memory(1499, [], [*sharing[:1], alone, Held(400)]).look(1.0, 4) == [alone]


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
