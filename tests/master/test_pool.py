"""What is done with workers, without a master."""

from signal import SIGKILL, SIGQUIT, SIGTERM

import pytest

from gemd.config.settings import Service
from gemd.master.pool import Pool
from gemd.master.workers import State
from gemd.shared.scoreboard import Scoreboard

from .scripted import ScriptedProcessControl, make_generation


@pytest.fixture
def processes(monkeypatch):
    processes = ScriptedProcessControl(Scoreboard(6))
    monkeypatch.setattr("gemd.shared.scoreboard.time.monotonic_ns", lambda: int(processes.now * 1e9) or 1)
    return processes


@pytest.fixture
def pool(processes):
    return Pool(processes, processes._scoreboard)


@pytest.fixture
def fill(pool, processes):
    """Fork what lacks, and let a moment pass, in which they begin to serve."""

    def fill(count, number=1, **settings):
        pool.spawn_missing({make_generation(number, count, **settings): count}, processes.now)
        processes.sleep(0.5)
        pool.mark_ready()
        return pool.workers.all()

    return fill


def done(processes, kind):
    return [what for _, name, *what in processes.done if name == kind]


def test_what_lacks_is_forked_and_serves_when_it_ticks(pool, processes, fill):
    processes.boots = {1: {0: True, 1: False}}
    assert [worker.state for worker in fill(2)] == [State.SERVING, State.STARTING]
    assert [nr for (nr,) in done(processes, "spawn")] == [0, 1]
    fill(2)
    assert len(done(processes, "spawn")) == 2


def test_each_generation_has_its_own(pool, processes):
    pool.spawn_missing({make_generation(1, 2): 2, make_generation(2, 1): 1}, 0.0)
    assert [what for _, *what in processes.forks] == [[1, 0], [1, 1], [2, 0]]


def test_nobody_is_forked_without_a_row(pool, processes):
    pool.spawn_missing({make_generation(1, 9): 9}, 0.0)
    assert len(processes.workers) == 6


def test_a_fork_that_fails_holds_up_all_others_for_a_while(pool, processes, complaints):
    processes.forks_fail = 1
    wanted = {make_generation(1, 2): 2}
    pool.spawn_missing(wanted, 0.0)
    pool.spawn_missing(wanted, 0.05)
    assert processes.workers == {}
    assert complaints() == ["can't fork worker 1: Resource temporarily unavailable; next try in 0.1 s"]
    pool.spawn_missing(wanted, 0.11)
    assert len(processes.workers) == 2


def test_those_that_ended_are_taken_off_the_books_one_by_one(pool, processes, fill):
    first, second = fill(2)
    processes.end(first.pid, 3)
    processes.end(second.pid, -9)
    seen = [(worker, code, len(pool.workers)) for worker, code in pool.reap(processes.now)]
    assert seen == [(first, 3, 1), (second, -9, 0)]
    assert done(processes, "orphans") == [[[]]]


def test_a_fault_over_one_that_ended_loses_none_of_the_others(pool, processes, fill):
    """They would be taken for alive, and their pids are somebody else's sooner or later."""
    for worker in fill(3):
        processes.end(worker.pid, 0)
    with pytest.raises(RuntimeError):
        fail_at_first(pool.reap(processes.now))
    assert [worker.nr for worker, _ in pool.reap(processes.now)] == [1, 2]
    assert done(processes, "orphans") == [[[]]]


def fail_at_first(ended):
    for _ in ended:
        raise RuntimeError("a fault")


def test_what_one_that_ended_showed_can_still_be_read(pool, processes, fill):
    (worker,) = fill(1)
    pool.row(worker).count(100)
    processes.end(worker.pid, 0)
    assert [pool.row(ended).requests for ended, _ in pool.reap(processes.now)] == [1]


def test_others_that_ended_are_nobodys_workers(pool, processes, fill):
    fill(1)
    processes._ended.append((7, 0))  # a script that was adopted
    assert list(pool.reap(processes.now)) == []
    assert done(processes, "orphans") == [[[0]]]


def test_ways_to_leave(pool, processes, fill):
    first, second = fill(2)
    pool.drain(first)
    pool.end(second)
    assert [worker.state for worker in (first, second)] == [State.DRAINING] * 2
    assert [(nr, number) for _, _, nr, number in processes.told] == [(0, SIGQUIT), (1, SIGTERM)]


def test_all_drain(pool, processes, fill):
    fill(3)
    pool.drain_all()
    assert [(nr, number) for _, _, nr, number in processes.told] == [(nr, SIGQUIT) for nr in range(3)]


def test_those_beyond_the_slots_of_their_generation_drain_once(pool, processes, fill):
    fill(3)
    for worker in processes.workers.values():
        worker.is_deaf = True
    fill(3, number=2)
    for _ in range(2):
        pool.drain_beyond(1, 1)
    assert [(generation, nr) for _, generation, nr, _ in processes.told] == [(1, 1), (1, 2)]


def test_one_that_is_recycled_serves_until_another_has_its_place(pool, processes, fill):
    (old,) = fill(1)
    pool.row(old).request_recycle()
    pool.recycle(Service())
    assert old.state is State.LEAVING
    assert processes.told == []
    processes.boots = False
    old, new = fill(1)
    assert processes.told == []
    processes.workers[new.pid].serves_from = processes.now
    fill(1)
    assert old.state is State.DRAINING
    assert [(nr, number) for _, _, nr, number in processes.told] == [(0, SIGQUIT)]


def test_one_without_a_sign_of_life_is_killed(pool, processes, fill, complaints):
    hanging, _ = fill(2)
    processes.workers[hanging.pid].is_hanging = True
    for _ in range(20):
        processes.sleep(1.0)
    pool.kill_late(processes.now, 30.0)
    assert processes.told == []
    pool.kill_late(processes.now, 10.0)
    assert [(nr, number) for _, _, nr, number in processes.told] == [(0, SIGKILL)]
    assert complaints() == [f"killing worker 1 (pid {hanging.pid}): no sign of life for 10 s"]
