import itertools

import pytest

from gemd.master.workers import YOUNG, State, Workers

NO_TICKS = dict.fromkeys(range(4))


@pytest.fixture
def workers():
    """Two slots, filled at the time 100 with the pids 10 and 11."""
    workers = Workers(8)
    workers.add(0, 10, 1, 100.0)
    workers.add(1, 11, 1, 100.0)
    return workers


def test_all_slots_are_missing_at_first():
    assert Workers(8).missing(1, 3, 0.0) == [0, 1, 2]


def test_who_is_alive(workers):
    assert (len(workers), workers.pids, workers.missing(1, 2, 101.0)) == (2, [10, 11], [])
    assert (workers.find(11).nr, workers.find(12)) == (1, None)


def test_pids_are_listed_by_slot():
    workers = Workers(8)
    workers.add(1, 5, 1, 0.0)
    workers.add(0, 9, 1, 0.0)
    assert workers.pids == [9, 5]


def test_the_slot_of_the_dead_is_missing(workers):
    workers.remove(workers.find(10), 200.0, served=True)
    assert workers.missing(1, 2, 200.0) == [0]
    assert workers.until_spawn({1: 2}, 200.0) == pytest.approx(0.01)


def test_who_had_served_for_a_moment_is_replaced_a_little_later(workers):
    workers.remove(workers.find(10), 100.5, served=True)
    assert workers.missing(1, 2, 100.55) == []
    assert workers.until_spawn({1: 2}, 100.5) == pytest.approx(0.1)
    assert workers.missing(1, 2, 100.61) == [0]


def test_who_never_served_makes_the_next_wait_however_old(workers):
    workers.remove(workers.find(10), 200.0, served=False)
    assert workers.missing(1, 2, 200.05) == []
    assert workers.until_spawn({1: 2}, 200.0) == pytest.approx(0.1)


def die_one_by_one(workers, count, *, served):
    """The worker of slot 0 dies at once, and so do `count` others as soon as each comes; when they came."""
    now, moments = 100.5, []
    workers.remove(workers.find(10), now, served=served)
    for pid in range(50, 50 + count):
        while 0 not in workers.missing(1, 2, now):
            now += workers.until_spawn({1: 2}, now)
        moments.append(now)
        workers.remove(workers.add(0, pid, 1, now), now, served=served)
    return moments


def delays(moments):
    return [round(later - earlier, 2) for earlier, later in itertools.pairwise(moments)]


def test_the_delay_doubles_up_to_half_a_minute(workers):
    found = delays(die_one_by_one(workers, 14, served=False))
    assert found[:4] == [0.2, 0.4, 0.8, 1.6]
    assert found[-2:] == [30.0, 30.0]


def test_those_that_had_served_are_replaced_within_a_second_always(workers):
    found = delays(die_one_by_one(workers, 40, served=True))
    assert found[:2] == [0.2, 0.4]
    assert max(found) == 0.5


def test_they_wait_for_nobody_who_never_serves(workers):
    """Slot 2 can't be filled, and that has come to half a minute."""
    now = 110.0
    for pid in range(50, 64):
        while 2 not in workers.missing(1, 3, now):
            now += workers.until_spawn({1: 3}, now)
        workers.remove(workers.add(2, pid, 1, now), now, served=False)
    assert workers.until_spawn({1: 3}, now) == pytest.approx(30.0)
    workers.find(10).born = workers.find(11).born = now - 0.5
    for pid in (10, 11):
        workers.remove(workers.find(pid), now, served=True)
    assert workers.until_spawn({1: 3}, now) == pytest.approx(0.1)
    assert workers.missing(1, 3, now + 0.11) == [0, 1]  # both at once


def test_a_replacement_that_never_serves_is_what_others_wait_for(workers):
    workers.remove(workers.find(10), 200.0, served=True)
    workers.remove(workers.add(0, 12, 1, 200.0), 200.1, served=False)
    assert workers.missing(1, 2, 200.15) == []
    assert workers.missing(1, 2, 200.3) == [0]


def test_one_that_has_grown_up_makes_the_next_short_life_the_first(workers):
    die_one_by_one(workers, 9, served=True)
    workers.add(0, 12, 1, 200.0)
    workers.remove(workers.find(12), 200.0 + YOUNG, served=True)
    assert workers.missing(1, 2, 200.0 + YOUNG) == [0]
    workers.add(0, 13, 1, 202.0)
    workers.remove(workers.find(13), 202.5, served=True)
    assert workers.until_spawn({1: 2}, 202.5) == pytest.approx(0.1)


def test_the_delay_of_a_fork_doubles_up_to_two_seconds():
    workers = Workers(8)
    found = [workers.delay_fork(0.0) for _ in range(40)]
    assert found[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert found[-1] == 2.0
    workers.add(0, 10, 1, 5.0)
    assert workers.delay_fork(5.0) == pytest.approx(0.1)


def test_a_fork_that_failed_is_waited_for_by_everybody(workers):
    workers.remove(workers.find(10), 200.0, served=True)
    workers.delay_fork(200.0)
    assert workers.missing(1, 2, 200.05) == []
    assert workers.until_spawn({1: 2}, 200.0) == pytest.approx(0.1)
    assert workers.missing(1, 2, 200.11) == [0]


def test_one_at_a_time_while_workers_die_young(workers):
    for pid in (10, 11):
        workers.remove(workers.find(pid), 100.1, served=False)
    assert workers.missing(1, 2, 110.0) == [0]
    workers.add(0, 12, 1, 110.0).state = State.SERVING
    assert workers.missing(1, 2, 110.0 + YOUNG / 2) == []
    assert workers.missing(1, 2, 110.0 + YOUNG) == [1]


def test_one_that_has_not_begun_to_serve_is_waited_for(workers):
    for pid in (10, 11):
        workers.remove(workers.find(pid), 100.1, served=False)
    worker = workers.add(0, 12, 1, 110.0)
    assert workers.missing(1, 2, 120.0) == []
    worker.state = State.SERVING
    assert workers.missing(1, 2, 120.0) == [1]


def test_those_of_another_generation_are_not_waited_for(workers):
    for pid in (10, 11):
        workers.remove(workers.find(pid), 100.1, served=False)
    workers.add(0, 12, 2, 110.0)
    assert workers.missing(1, 2, 110.0) == [0]


def next_delay(workers, now):
    """For how long the next death of one that had not served would hold up others."""
    workers.remove(workers.add(0, 99, 9, now), now, served=False)
    return workers.until_spawn({9: 1}, now)


def test_those_who_never_served_are_forgotten_when_one_has_grown_up_since(workers):
    workers.find(11).state = State.SERVING
    workers.remove(workers.find(10), 100.1, served=False)
    workers.awake(105.0)
    assert next_delay(workers, 105.0) == pytest.approx(0.2)  # the other one is older than that death
    worker = workers.add(0, 12, 1, 106.0)
    worker.state = State.SERVING
    workers.awake(106.0 + YOUNG / 2)
    assert next_delay(workers, 106.0) == pytest.approx(0.4)
    workers.awake(106.0 + YOUNG)
    assert next_delay(workers, 107.0) == pytest.approx(0.1)


def test_they_are_forgotten_too_when_one_dies_that_had_grown_up(workers):
    for _ in range(5):
        next_delay(workers, 150.0)
    workers.remove(workers.find(10), 200.0, served=True)
    assert workers.missing(1, 2, 200.0) == [0]
    assert next_delay(workers, 200.0) == pytest.approx(0.1)


def test_a_change_resets_the_backoff(workers):
    for _ in range(9):
        next_delay(workers, 100.0)
    workers.remove(workers.find(10), 100.1, served=True)
    workers.delay_fork(100.9)
    assert workers.missing(1, 3, 100.15) == []
    workers.reset_backoff()
    assert workers.missing(1, 3, 100.15) == [0, 2]
    assert next_delay(workers, 101.0) == pytest.approx(0.1)


def test_early_deaths_are_counted_in_a_row(workers):
    workers.remove(workers.find(10), 101.0, served=False)
    workers.remove(workers.find(11), 101.0, served=False)
    assert workers.early_deaths == 2
    workers.add(0, 12, 1, 102.0)
    workers.remove(workers.find(12), 103.0, served=True)
    assert workers.early_deaths == 0


# What is known of a worker born at 100, then whether it is late at 131, when 30 seconds are allowed.
LATE = {
    "never ticked": (None, True),
    "ticked long ago": (100.5, True),
    "ticked just in time": (101.0, False),
    "ticked now": (131.0, False),
    "ticked while the master looked": (160.0, False),
    "ticked in the future": (9e9, True),  # it has spoilt its row: that is no sign of life
    "ticked before it was born": (1.0, True),
}


@pytest.mark.parametrize(("tick", "is_late"), LATE.values(), ids=LATE)
def test_late(workers, tick, is_late):
    late = workers.late(131.0, {0: tick, 1: 131.0}, 30.0)
    assert [worker.pid for worker in late] == ([10] if is_late else [])


def test_a_new_worker_has_its_time(workers):
    assert workers.late(130.0, NO_TICKS, 30.0) == []


def test_nobody_is_late_because_the_master_was_stopped(workers):
    workers.sleep_until(101.0)
    workers.awake(161.0)
    assert workers.late(161.0, NO_TICKS, 30.0) == []
    assert [worker.pid for worker in workers.late(191.5, NO_TICKS, 30.0)] == [10, 11]


def test_a_master_that_slept_a_little_longer_forgives_nothing(workers):
    workers.sleep_until(130.0)
    workers.awake(131.5)
    assert len(workers.late(131.5, NO_TICKS, 30.0)) == 2


def test_nothing_is_awaited_when_none_is_missing(workers):
    assert workers.until_spawn({1: 2}, 100.0) is None


# Generations, and those who leave


def test_each_generation_has_its_own_slots(workers):
    assert workers.missing(2, 3, 101.0) == [0, 1, 2]
    workers.add(1, 12, 2, 101.0)
    assert workers.missing(2, 3, 101.0) == [0, 2]
    assert workers.missing(1, 2, 101.0) == []
    assert [worker.pid for worker in workers.all()] == [10, 11, 12]
    assert workers.until_spawn({1: 2, 2: 2}, 101.0) == pytest.approx(0.01)


def test_a_generation_is_complete_when_each_slot_serves(workers):
    assert not workers.is_complete(1, 2)
    workers.find(10).state = workers.find(11).state = State.SERVING
    assert workers.is_complete(1, 2)
    assert workers.is_complete(1, 1)
    assert not workers.is_complete(1, 3)
    assert not workers.is_complete(2, 1)
    workers.find(11).state = State.LEAVING
    assert not workers.is_complete(1, 2)


@pytest.mark.parametrize("state", [State.LEAVING, State.DRAINING])
def test_the_slot_of_who_goes_is_missing(workers, state):
    workers.find(10).state = state
    assert workers.missing(1, 2, 101.0) == [0]


def test_who_leaves_is_superseded_by_who_serves_in_the_slot(workers):
    workers.find(10).state = State.LEAVING
    assert workers.superseded() == []
    successor = workers.add(0, 12, 1, 101.0)
    assert workers.superseded() == []
    successor.state = State.SERVING
    assert [worker.pid for worker in workers.superseded()] == [10]
    workers.find(10).state = State.DRAINING
    assert workers.superseded() == []


def test_another_slot_or_generation_supersedes_nobody(workers):
    workers.find(10).state = State.LEAVING
    workers.find(11).state = State.SERVING
    workers.add(0, 12, 2, 101.0).state = State.SERVING
    assert workers.superseded() == []


def test_rows_are_shared_by_nobody_and_used_again():
    workers = Workers(3)
    rows = []
    for pid in range(3):
        rows.append(workers.next_row())
        assert workers.add(0, pid, 1, 0.0).row == rows[-1]
    assert sorted(rows) == [0, 1, 2]
    assert workers.next_row() is None
    workers.remove(workers.find(1), 10.0, served=True)
    assert workers.next_row() == rows[1]


def test_a_draining_worker_that_ends_young_holds_nobody_up(workers):
    workers.find(10).state = State.DRAINING
    workers.remove(workers.find(10), 100.1, served=True)
    assert workers.missing(1, 2, 100.1) == [0]


def test_who_was_a_worker_before_the_master_was_stopped_is_forgiven_once(workers):
    workers.sleep_until(101.0)
    workers.awake(161.0)
    workers.sleep_until(162.0)
    workers.awake(162.0)
    assert workers.late(190.0, NO_TICKS, 30.0) == []
    assert len(workers.late(191.5, NO_TICKS, 30.0)) == 2
