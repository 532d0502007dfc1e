import pytest

from gemd.config.types import Rate
from gemd.protocol.errors import SlowDown
from gemd.shared.rate_limit import RateLimit

MINUTE = Rate(3, 60.0)


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock in seconds, as a list of one time."""
    now = [1000.0]
    monkeypatch.setattr("gemd.shared.rate_limit.time.monotonic_ns", lambda: int(now[0] * 1e9))
    return now


def passes(limit, address="192.0.2.1"):
    try:
        limit.check(address)
    except SlowDown:
        return False
    return True


def test_the_whole_budget_at_once_then_one_part_after_the_other(clock):
    limit = RateLimit(MINUTE)
    assert [passes(limit) for _ in range(5)] == [True, True, True, False, False]
    clock[0] += 19.9
    assert not passes(limit)
    clock[0] += 0.2
    assert [passes(limit), passes(limit)] == [True, False]


def test_the_budget_is_whole_again_after_its_time_and_never_more(clock):
    limit = RateLimit(MINUTE)
    while passes(limit):
        pass
    clock[0] += 6000
    assert [passes(limit) for _ in range(4)] == [True, True, True, False]


def test_a_refused_request_costs_nothing(clock):
    limit = RateLimit(MINUTE)
    while passes(limit):
        pass
    for _ in range(1000):
        passes(limit)
    clock[0] += 20.1
    assert passes(limit)


def test_the_text_begins_with_the_seconds_to_wait(clock):
    limit = RateLimit(MINUTE)
    for _ in range(3):
        limit.check("192.0.2.1")
    with pytest.raises(SlowDown, match=r"^20 seconds"):
        limit.check("192.0.2.1")
    clock[0] += 19.5
    with pytest.raises(SlowDown, match=r"^1 second") as caught:
        limit.check("192.0.2.1")
    assert caught.value.status == 44


def test_who_waits_as_long_as_told_is_let_in(clock):
    limit = RateLimit(Rate(7, 60.0))
    for _ in range(50):
        try:
            limit.check("192.0.2.1")
        except SlowDown as error:
            clock[0] += int(error.meta.split()[0])
            assert passes(limit)


def test_others_are_not_concerned(clock):
    limit = RateLimit(Rate(1, 60.0))
    assert passes(limit, "192.0.2.1")
    assert [passes(limit, f"192.0.2.{i}") for i in range(2, 12)] == [True] * 10


@pytest.mark.parametrize("rate", [Rate(1, 1.0), Rate(999_999_999, 1.0), Rate(999_999_999, 999_999 * 86400.0)])
def test_the_widest_rates(clock, rate):
    limit = RateLimit(rate)
    assert passes(limit)
    assert passes(limit) == (rate.count > 1)


def test_a_cell_full_of_nonsense_refuses_and_breaks_nothing(clock):
    limit = RateLimit(MINUTE)
    limit._cells[limit._cell("192.0.2.1")] = 2**64 - 1
    assert not passes(limit)


def test_all_processes_share_the_cells(clock):
    """The memory is anonymous and shared: a fork would inherit it, not copy it."""
    limit = RateLimit(Rate(1, 60.0))
    assert passes(limit)
    assert limit._cells.obj.__class__.__name__ == "mmap"


def test_what_has_no_answer_is_admitted_or_not(clock):
    limit = RateLimit(Rate(2, 1.0))
    assert [limit.admits("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert limit.admits("192.0.2.2")
    clock[0] += 0.51
    assert [limit.admits("192.0.2.1") for _ in range(2)] == [True, False]
