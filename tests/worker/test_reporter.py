"""What a worker says of itself."""

import os
import signal
from types import SimpleNamespace

import pytest

from gemd.shared.scoreboard import Scoreboard
from gemd.worker.reporter import Reporter, ask_for_reload


class ScriptedLoop:
    here, refused, received, is_left = (3, 2, 1, 8, 4), 5, 9, False
    is_full = False

    def count(self):
        return self.here

    def has_room(self, *here):
        assert here == self.here
        return not self.is_full

    def leave_accepting(self, *, is_left):
        self.is_left = is_left


@pytest.fixture
def make_reporter(monkeypatch):
    """A reporter whose clock is `clock`, and its row."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("gemd.worker.reporter.time.monotonic", lambda: clock.now)

    def make(*, are_stuck=False, number=10, watch=None, is_full=False, is_room_elsewhere=False):
        scoreboard = Scoreboard(2)
        applications, logs = SimpleNamespace(are_stuck=are_stuck), SimpleNamespace(dropped=7)
        generation = SimpleNamespace(
            logs=logs, applications=applications, has_room=lambda: True, count_answers=lambda count: count("scgi", 43)
        )
        looks = SimpleNamespace(memory=0, descriptors=0)

        def read_memory():
            looks.memory += 1
            return 2000, 1000

        def read_descriptors():
            looks.descriptors += 1
            return number

        row, other = scoreboard.row(0), scoreboard.row(1)
        other.clear()  # as for a worker
        other.show_room(has_room=is_room_elsewhere)
        pool, loop = SimpleNamespace(busy=7, is_full=is_full), ScriptedLoop()
        memory, descriptors = SimpleNamespace(read=read_memory), SimpleNamespace(read=read_descriptors)
        reporter = Reporter(generation, row, loop, pool, memory, descriptors, watch)
        reporter.loop, reporter.other = loop, other
        return reporter, row, looks, clock

    return make


def test_the_row_says_how_many_are_here_and_how_much_they_take(make_reporter):
    reporter, row, _, _ = make_reporter()
    reporter.report()
    shown = {name: number for name, number in row.figures.items() if number}
    assert shown == {
        "scgi_43": 1,
        "reading": 3,
        "writing": 2,
        "lingering": 1,
        "passing": 8,
        "uploading": 4,
        "threads": 7,
        "memory": 2000,
        "private": 1000,
        "dropped": 7,
        "refused": 5,
        "received": 9,
        "descriptors": 10,
    }
    assert not row.wants_recycle


def test_what_has_changed_is_shown_at_once(make_reporter):
    reporter, row, _, _ = make_reporter()
    reporter.report()
    reporter.loop.here, reporter.loop.refused = (0, 2, 4, 8, 4), 6
    reporter.report()
    assert [row.figures[name] for name in ("reading", "writing", "lingering", "refused")] == [0, 2, 4, 6]


@pytest.mark.parametrize(("number", "expected"), [(10, (2, 20)), (1000, (2, 2))])
def test_what_takes_time_to_count_is_counted_now_and_then(make_reporter, number, expected):
    reporter, _, looks, clock = make_reporter(number=number)
    for _ in range(200):
        reporter.report()
        clock.now += 0.1
    assert (looks.memory, looks.descriptors) == pytest.approx(expected, abs=1)


def test_a_worker_whose_applications_are_stuck_asks_for_rest(make_reporter):
    reporter, row, _, _ = make_reporter(are_stuck=True)
    reporter.report()
    assert row.wants_recycle


@pytest.mark.parametrize(
    ("is_full", "is_room_elsewhere", "is_left"),
    [(False, False, False), (False, True, False), (True, False, False), (True, True, True)],
)
def test_a_full_worker_leaves_accepting_to_those_who_are_not(make_reporter, is_full, is_room_elsewhere, is_left):
    reporter, _, _, _ = make_reporter(is_full=is_full, is_room_elsewhere=is_room_elsewhere)
    reporter.report()
    assert reporter.loop.is_left is is_left


def test_it_accepts_again_when_it_is_not_full_any_more_or_nobody_else_has_room(make_reporter):
    reporter, _, _, _ = make_reporter(is_room_elsewhere=True)
    for is_full in (True, False, True):
        reporter.loop.is_full = is_full
        reporter.report()
        assert reporter.loop.is_left is is_full
    reporter.other.show_room(has_room=False)
    reporter.report()
    assert not reporter.loop.is_left


@pytest.mark.parametrize("full", ["event loop", "scripts"])
def test_it_is_full_of_other_things_too(make_reporter, full):
    reporter, _, _, _ = make_reporter(is_room_elsewhere=True)
    reporter.loop.is_full = full == "event loop"
    reporter._generation.has_room = lambda: full != "scripts"
    reporter.report()
    assert reporter.loop.is_left


def test_a_file_that_has_changed_is_told_to_the_master(make_reporter, monkeypatch):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    changes = ["/app.py", None]
    reporter, _, _, clock = make_reporter(watch=SimpleNamespace(look=lambda: changes.pop(0)))
    for _ in range(15):
        reporter.report()
        clock.now += 0.1
    assert killed == [(os.getppid(), signal.SIGHUP)]


def test_a_master_that_stays_root_can_t_be_told(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    ask_for_reload("/app.py")
    assert "only root" in caplog.text
