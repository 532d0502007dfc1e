import pytest

from gemd.protocol.counters import EVENTS, EVICTIONS, FAILURES
from gemd.system.tally import NUMBER, Tally, name_events

NOTHING = {events.name: {} for events in EVENTS}


def test_what_happens_is_counted_by_its_kind():
    tally = Tally()
    tally.count(FAILURES, "left")
    tally.count(FAILURES, "left")
    tally.count(EVICTIONS, "slow")
    found = name_events(tally.read())
    assert found == {**NOTHING, "handshake_failures": {"left": 2}, "evictions": {"slow": 1}}


def test_each_event_has_a_cell_of_its_own():
    tally = Tally()
    assert name_events(tally.read()) == NOTHING
    for events in EVENTS:
        for value in events.values:
            tally.count(events, value)
    assert tally.read() == [1] * NUMBER


def test_a_worker_goes_on_where_the_one_before_it_has_counted():
    memory = memoryview(bytearray(8 * NUMBER)).cast("Q")
    for _ in range(2):
        tally = Tally()
        tally.use(memory)
        tally.count(FAILURES, "timeout")
    assert name_events(memory.tolist())["handshake_failures"] == {"timeout": 2}


def test_nobody_can_count_what_is_not_in_the_table():
    with pytest.raises(KeyError):
        Tally().count(FAILURES, "of the moon")
