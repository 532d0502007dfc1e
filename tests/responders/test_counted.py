from gemd.protocol.counters import EVICTIONS, REFUSALS
from gemd.protocol.errors import GeminiError, NotFound, Overloaded, SlowDown
from gemd.responders.counted import answer_refusal, note_eviction


def test_what_is_refused_for_being_too_much_is_counted(counted):
    for refusal in (Overloaded(), Overloaded("Later", reason="uploads"), SlowDown("7"), SlowDown("7", reason="rate")):
        response = answer_refusal(refusal)
        assert (response.status, response.meta) == (refusal.status, refusal.meta)
    assert counted()["refusals"] == {"busy": 1, "uploads": 1, "budget": 1, "rate": 1}


def test_other_refusals_are_not(counted):
    assert answer_refusal(NotFound()).status == 51
    assert answer_refusal(GeminiError("No", 41)).status == 41
    assert counted()["refusals"] == {}


def test_evictions(counted):
    note_eviction("slow")
    assert counted()["evictions"] == {"slow": 1}


def test_the_reasons_of_refusals_are_in_the_table():
    assert {Overloaded.reason, SlowDown.reason} <= set(REFUSALS.values)
    assert {"slow", "memory"} <= set(EVICTIONS.values)
