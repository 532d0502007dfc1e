"""Planned ends of workers: another one serves before they leave."""

from signal import SIGKILL, SIGQUIT, SIGTERM, SIGTTOU

import pytest

from gemd.config.settings import Service
from gemd.master.recycle import draw_quota, why_recycle
from gemd.master.workers import Worker
from gemd.protocol.figures import MEMORY, PRIVATE
from gemd.shared.scoreboard import Scoreboard

AFTER_TEN = {"max-requests": 10}


def test_quotas_are_about_the_configured_number_and_differ():
    quotas = [draw_quota(1000) for _ in range(200)]
    assert min(quotas) >= 900
    assert max(quotas) <= 1100
    assert len(set(quotas)) > 20


@pytest.mark.parametrize(("requests", "least", "most"), [(0, 0, 0), (1, 1, 1), (5, 4, 6), (10, 9, 11)])
def test_small_quotas(requests, least, most):
    quotas = {draw_quota(requests) for _ in range(100)}
    assert least <= min(quotas) <= max(quotas) <= most


def test_reasons():
    row = Scoreboard(1).row(0)
    worker = Worker(nr=0, pid=1, row=0, generation=1, born=0.0, quota=2)
    assert why_recycle(worker, row, Service()) is None
    row.count(1)
    row.count(1)
    assert why_recycle(worker, row, Service()) == "has answered 2 requests"
    worker.quota = 0
    assert why_recycle(worker, row, Service()) is None
    row.show(MEMORY, 500)
    row.show(PRIVATE, 400)
    assert why_recycle(worker, row, Service(max_memory=400)) is None
    assert why_recycle(worker, row, Service(max_memory=399)) == "has 400 bytes of memory"
    row.request_recycle()
    assert "does not come back" in why_recycle(worker, row, Service())


def test_the_next_worker_serves_before_the_old_one_leaves(play, complaints):
    story = play((4, "boots", 2.0), (5, "answers", 0, 12), settings=AFTER_TEN, until=50)
    assert story.forks[2:] == [(5, 1, 0)]
    ((told, *whom),) = story.told
    assert whom == [1, 0, SIGQUIT]
    assert 7 <= told < 7.1
    assert story.workers == [(1, 0), (1, 1)]
    assert complaints() == []


def test_it_stays_as_long_as_the_next_one_does_not_serve(play):
    story = play((4, "boots", False), (5, "answers", 0, 12), settings=AFTER_TEN, until=30)
    assert story.told == []
    assert story.workers == [(1, 0), (1, 0), (1, 1)]


@pytest.mark.parametrize("code", [0, 1, -11])
def test_a_next_one_that_dies_leaves_the_old_one_serving(play, code):
    history = [(4, "boots", 2.0), (5, "answers", 0, 12), (6, "dies", 0, code, 1)]
    before = play(*history, settings=AFTER_TEN, until=5.5).processes
    (next_one,) = [worker for worker in before.workers.values() if worker.born == 5]
    story = play(*history[:2], (6, "ends", next_one.pid, code), settings=AFTER_TEN, until=6.05)
    assert story.told == []
    assert story.workers == [(1, 0), (1, 1)]


def test_one_that_has_served_for_a_moment_and_died_supersedes_nobody(play):
    """It ticks and is gone before the master looks."""
    story = play((4, "boots", 1.0), (5, "answers", 0, 12), (6.0, "ends", 102, -11), settings=AFTER_TEN, until=6.05)
    assert story.told == []
    assert {100, 101} < set(story.processes.workers)


def test_one_that_was_to_leave_and_dies_has_died(play, complaints):
    history = [(4, "boots", 2.0), (5, "answers", 0, 12), (6, "ends", 100, -SIGKILL)]
    story = play(*history, settings=AFTER_TEN, until=50)
    assert story.workers == [(1, 0), (1, 1)]
    assert story.told == []
    assert complaints() == ["worker 1 (pid 100) was killed by SIGKILL after 6.0 s"]


def test_both_may_leave_at_once(play):
    story = play((5, "answers", 0, 12), (5, "answers", 1, 12), settings=AFTER_TEN, until=50)
    assert story.workers == [(1, 0), (1, 1)]
    assert sorted(nr for _, _, nr, _ in story.told) == [0, 1]
    assert {number for *_, number in story.told} == {SIGQUIT}


def test_one_slot_fewer_ends_those_of_the_slot_both(play):
    history = [(4, "boots", False), (5, "answers", 1, 12), (7, "signal", SIGTTOU)]
    story = play(*history, settings=AFTER_TEN, until=20)
    assert story.told == [(7, 1, 1, SIGQUIT)] * 2
    assert story.workers == [(1, 0)]


def test_a_stop_ends_those_who_leave_too(play):
    history = [(4, "boots", False), (5, "answers", 1, 12), (7, "signal", SIGTERM)]
    story = play(*history, settings=AFTER_TEN)
    assert story.told == [(7, 1, 0, SIGTERM), (7, 1, 1, SIGTERM), (7, 1, 1, SIGTERM)]


def test_without_a_limit_nobody_leaves(play):
    story = play((5, "answers", 0, 5000), until=50)
    assert story.told == []


def test_a_worker_may_ask_for_it(play):
    story = play((5, "wants recycle", 1), until=50)
    assert story.told == [(5.02, 1, 1, SIGQUIT)]
    assert story.forks[2:] == [(5, 1, 1)]


def test_the_next_one_begins_to_count_anew(play):
    story = play((5, "answers", 0, 12), (20, "answers", 0, 5), (30, "answers", 0, 7), settings=AFTER_TEN, until=50)
    assert len(story.forks) == 4
    assert story.workers == [(1, 0), (1, 1)]
