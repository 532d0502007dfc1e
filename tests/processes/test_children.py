import pytest

from gemd.processes.children import YOUNG, Children

NO_TICKS = dict.fromkeys(range(4))


@pytest.fixture
def children():
    """Two slots, filled at the time 100 with the pids 10 and 11."""
    children = Children(2)
    children.add(0, 10, 100.0)
    children.add(1, 11, 100.0)
    return children


def test_all_slots_are_missing_at_first():
    assert Children(3).missing(0.0) == [0, 1, 2]


def test_who_is_alive(children):
    assert (len(children), children.pids, children.missing(101.0)) == (2, [10, 11], [])
    assert (children.slot_of(11), children.slot_of(12)) == (1, None)


def test_pids_are_listed_by_slot():
    children = Children(2)
    children.add(1, 5, 0.0)
    children.add(0, 9, 0.0)
    assert children.pids == [9, 5]


def test_the_slot_of_the_dead_is_missing(children):
    assert children.remove(10, 200.0, served=True).nr == 0
    assert children.missing(200.0) == [0]
    assert children.until_spawn(200.0) == pytest.approx(0.01)


def test_a_stranger_is_nobodys_child(children):
    assert children.remove(99, 200.0, served=True) is None
    assert (len(children), children.early_deaths) == (2, 0)


def test_who_dies_young_makes_the_next_wait(children):
    children.remove(10, 100.5, served=True)
    assert children.missing(100.55) == []
    assert children.until_spawn(100.5) == pytest.approx(0.1)
    assert children.missing(100.61) == [0]


def test_who_never_served_makes_the_next_wait_however_old(children):
    children.remove(10, 200.0, served=False)
    assert children.missing(200.05) == []


def test_the_delay_doubles_up_to_half_a_minute():
    children = Children(1)
    delays = [children.delay_spawn(0.0) for _ in range(40)]
    assert delays[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert delays[-1] == 30.0


def test_one_at_a_time_while_workers_die_young(children):
    for pid in (10, 11):
        children.remove(pid, 100.1, served=False)
    assert children.missing(110.0) == [0]


def test_those_who_died_young_are_forgotten_when_all_have_grown_up(children):
    children.remove(10, 100.1, served=True)
    children.add(0, 12, 101.0)
    children.awake(101.0 + YOUNG / 2)
    children.remove(12, 102.0, served=True)
    assert children.missing(102.0) == [0]  # it had lived for a second
    children.add(0, 13, 102.0)
    children.awake(102.0 + YOUNG)
    assert children.delay_spawn(103.0) == pytest.approx(0.1)


def test_early_deaths_are_counted_in_a_row(children):
    children.remove(10, 101.0, served=False)
    children.remove(11, 101.0, served=False)
    assert children.early_deaths == 2
    children.add(0, 12, 102.0)
    children.remove(12, 103.0, served=True)
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
    children.awake(161.0)
    assert children.late(161.0, NO_TICKS, 30.0) == []
    assert [child.pid for child in children.late(191.5, NO_TICKS, 30.0)] == [10, 11]


def test_a_master_that_slept_a_little_longer_forgives_nothing(children):
    children.sleep_until(130.0)
    children.awake(131.5)
    assert len(children.late(131.5, NO_TICKS, 30.0)) == 2


def test_nothing_is_awaited_when_none_is_missing(children):
    assert children.until_spawn(100.0) is None
