import pytest

from gemd.master.workers import YOUNG, Children, State

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
    children.add(0, 12, 1, 110.0).state = State.SERVING
    assert children.missing(1, 2, 110.0 + YOUNG / 2) == []
    assert children.missing(1, 2, 110.0 + YOUNG) == [1]


def test_one_that_has_not_begun_to_serve_is_waited_for(children):
    for pid in (10, 11):
        children.remove(children.find(pid), 100.1, served=False)
    child = children.add(0, 12, 1, 110.0)
    assert children.missing(1, 2, 120.0) == []
    child.state = State.SERVING
    assert children.missing(1, 2, 120.0) == [1]


def test_those_of_another_generation_are_not_waited_for(children):
    for pid in (10, 11):
        children.remove(children.find(pid), 100.1, served=False)
    children.add(0, 12, 2, 110.0)
    assert children.missing(1, 2, 110.0) == [0]


def test_forks_that_failed_hold_nobody_up_once_one_succeeds(children):
    for pid in (10, 11):
        children.remove(children.find(pid), 200.0, served=True)
    children.delay_spawn(200.0, 2.0)
    children.delay_spawn(200.1, 2.0)
    assert children.missing(1, 2, 200.2) == []
    assert children.missing(1, 2, 200.3) == [0, 1]


def test_those_who_died_young_are_forgotten_when_one_has_grown_up_since(children):
    children.find(11).state = State.SERVING
    children.remove(children.find(10), 100.1, served=True)
    children.awake(105.0)
    assert children.delay_spawn(105.0) == pytest.approx(0.2)  # the other one is older than that death
    child = children.add(0, 12, 1, 106.0)
    child.state = State.SERVING
    children.awake(106.0 + YOUNG / 2)
    assert children.delay_spawn(106.0) == pytest.approx(0.4)
    children.awake(106.0 + YOUNG)
    assert children.delay_spawn(107.0) == pytest.approx(0.1)


def test_they_are_forgotten_too_when_one_dies_that_had_grown_up(children):
    for _ in range(5):
        children.delay_spawn(150.0)
    children.remove(children.find(10), 200.0, served=True)
    assert children.missing(1, 2, 200.0) == [0]
    assert children.delay_spawn(200.0) == pytest.approx(0.1)


def test_a_change_makes_the_next_spawn_hurry(children):
    for _ in range(9):
        children.delay_spawn(100.0)
    children.remove(children.find(10), 100.1, served=True)
    assert children.missing(1, 2, 101.0) == []
    children.hurry()
    assert children.missing(1, 2, 101.0) == [0]
    assert children.delay_spawn(101.0) == pytest.approx(0.1)


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
    children.awake(161.0)
    assert children.late(161.0, NO_TICKS, 30.0) == []
    assert [child.pid for child in children.late(191.5, NO_TICKS, 30.0)] == [10, 11]


def test_a_master_that_slept_a_little_longer_forgives_nothing(children):
    children.sleep_until(130.0)
    children.awake(131.5)
    assert len(children.late(131.5, NO_TICKS, 30.0)) == 2


def test_nothing_is_awaited_when_none_is_missing(children):
    assert children.until_spawn({1: 2}, 100.0) is None


# Generations, and those who leave


def test_each_generation_has_its_own_slots(children):
    assert children.missing(2, 3, 101.0) == [0, 1, 2]
    children.add(1, 12, 2, 101.0)
    assert children.missing(2, 3, 101.0) == [0, 2]
    assert children.missing(1, 2, 101.0) == []
    assert [child.pid for child in children.all()] == [10, 11, 12]
    assert children.until_spawn({1: 2, 2: 2}, 101.0) == pytest.approx(0.01)


def test_a_generation_is_complete_when_each_slot_serves(children):
    assert not children.is_complete(1, 2)
    children.find(10).state = children.find(11).state = State.SERVING
    assert children.is_complete(1, 2)
    assert children.is_complete(1, 1)
    assert not children.is_complete(1, 3)
    assert not children.is_complete(2, 1)
    children.find(11).state = State.LEAVING
    assert not children.is_complete(1, 2)


@pytest.mark.parametrize("state", [State.LEAVING, State.DRAINING])
def test_the_slot_of_who_goes_is_missing(children, state):
    children.find(10).state = state
    assert children.missing(1, 2, 101.0) == [0]


def test_who_leaves_is_superseded_by_who_serves_in_the_slot(children):
    children.find(10).state = State.LEAVING
    assert children.superseded() == []
    successor = children.add(0, 12, 1, 101.0)
    assert children.superseded() == []
    successor.state = State.SERVING
    assert [child.pid for child in children.superseded()] == [10]
    children.find(10).state = State.DRAINING
    assert children.superseded() == []


def test_another_slot_or_generation_supersedes_nobody(children):
    children.find(10).state = State.LEAVING
    children.find(11).state = State.SERVING
    children.add(0, 12, 2, 101.0).state = State.SERVING
    assert children.superseded() == []


def test_rows_are_shared_by_nobody_and_used_again():
    children = Children(3)
    rows = []
    for pid in range(3):
        rows.append(children.next_row())
        assert children.add(0, pid, 1, 0.0).row == rows[-1]
    assert sorted(rows) == [0, 1, 2]
    assert children.next_row() is None
    children.remove(children.find(1), 10.0, served=True)
    assert children.next_row() == rows[1]


def test_a_draining_worker_that_ends_young_holds_nobody_up(children):
    children.find(10).state = State.DRAINING
    children.remove(children.find(10), 100.1, served=True)
    assert children.missing(1, 2, 100.1) == [0]


def test_who_was_a_child_before_the_master_was_stopped_is_forgiven_once(children):
    children.sleep_until(101.0)
    children.awake(161.0)
    children.sleep_until(162.0)
    children.awake(162.0)
    assert children.late(190.0, NO_TICKS, 30.0) == []
    assert len(children.late(191.5, NO_TICKS, 30.0)) == 2
