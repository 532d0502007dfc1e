import pytest

from gemd.processes.children import YOUNG, Children

NO_TICKS = dict.fromkeys(range(4))


@pytest.fixture
def children():
    """Two slots, filled at the time 100 with the pids 10 and 11."""
    children = Children(8)
    children.add(0, 10, 1, 100.0)
    children.add(1, 11, 1, 100.0)
    return children


def test_all_slots_are_missing_at_first():
    assert Children(8).missing(1, 3, 0.0) == [0, 1, 2]


def test_who_is_alive(children):
    assert (len(children), children.pids, children.missing(1, 2, 101.0)) == (2, [10, 11], [])
    assert (children.find(11).nr, children.find(12)) == (1, None)


def test_pids_are_listed_by_slot():
    children = Children(8)
    children.add(1, 5, 1, 0.0)
    children.add(0, 9, 1, 0.0)
    assert children.pids == [9, 5]


def test_the_slot_of_the_dead_is_missing(children):
    children.remove(children.find(10), 200.0, served=True)
    assert children.missing(1, 2, 200.0) == [0]
    assert children.until_spawn({1: 2}, 200.0) == pytest.approx(0.01)


def test_who_dies_young_makes_the_next_wait(children):
    children.remove(children.find(10), 100.5, served=True)
    assert children.missing(1, 2, 100.55) == []
    assert children.until_spawn({1: 2}, 100.5) == pytest.approx(0.1)
    assert children.missing(1, 2, 100.61) == [0]


def test_who_never_served_makes_the_next_wait_however_old(children):
    children.remove(children.find(10), 200.0, served=False)
    assert children.missing(1, 2, 200.05) == []


def test_the_delay_doubles_up_to_half_a_minute():
    children = Children(8)
    delays = [children.delay_spawn(0.0) for _ in range(40)]
    assert delays[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert delays[-1] == 30.0


def test_one_at_a_time_while_workers_die_young(children):
    for pid in (10, 11):
        children.remove(children.find(pid), 100.1, served=False)
    assert children.missing(1, 2, 110.0) == [0]


def test_those_who_died_young_are_forgotten_when_all_have_grown_up(children):
    children.remove(children.find(10), 100.1, served=True)
    children.add(0, 12, 1, 101.0)
    children.awake(2, 101.0 + YOUNG / 2)
    children.remove(children.find(12), 102.0, served=True)
    assert children.missing(1, 2, 102.0) == [0]  # it had lived for a second
    children.add(0, 13, 1, 102.0)
    children.awake(2, 102.0 + YOUNG)
    assert children.delay_spawn(103.0) == pytest.approx(0.1)


def test_early_deaths_are_counted_in_a_row(children):
    children.remove(children.find(10), 101.0, served=False)
    children.remove(children.find(11), 101.0, served=False)
    assert children.early_deaths == 2
    children.add(0, 12, 1, 102.0)
    children.remove(children.find(12), 103.0, served=True)
    assert children.early_deaths == 0


# What is known of a worker born at 100, then whether it is late at 131, when 30 seconds are allowed.
LATE = {
    "never ticked": (None, True),
    "ticked long ago": (100.5, True),
    "ticked just in time": (101.0, False),
    "ticked now": (131.0, False),
    "ticked in the future": (9e9, False),
    "ticked before it was born": (1.0, True),
}


@pytest.mark.parametrize(("tick", "is_late"), LATE.values(), ids=LATE)
def test_late(children, tick, is_late):
    late = children.late(131.0, {0: tick, 1: 131.0}, 30.0)
    assert [child.pid for child in late] == ([10] if is_late else [])


def test_a_new_worker_has_its_time(children):
    assert children.late(130.0, NO_TICKS, 30.0) == []


def test_nobody_is_late_because_the_master_was_stopped(children):
    children.sleep_until(101.0)
    children.awake(2, 161.0)
    assert children.late(161.0, NO_TICKS, 30.0) == []
    assert [child.pid for child in children.late(191.5, NO_TICKS, 30.0)] == [10, 11]


def test_a_master_that_slept_a_little_longer_forgives_nothing(children):
    children.sleep_until(130.0)
    children.awake(2, 131.5)
    assert len(children.late(131.5, NO_TICKS, 30.0)) == 2


def test_nothing_is_awaited_when_none_is_missing(children):
    assert children.until_spawn({1: 2}, 100.0) is None
