import faulthandler
import os
import signal

import pytest

from gemd.protocol.figures import ALL_FIGURES, PRIVATE, READING
from gemd.protocol.url import parse_url
from gemd.shared.scoreboard import Scoreboard
from gemd.shared.under_way import MAX_SHOWN


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock in seconds, as a list of one time."""
    now = [1000.0]
    monkeypatch.setattr("gemd.shared.scoreboard.time.monotonic_ns", lambda: int(now[0] * 1e9))
    return now


def test_a_new_row_has_not_ticked():
    row = Scoreboard(2).row(1)
    assert row.last_tick is None
    assert set(row.figures.values()) == {0}


def test_a_tick_is_seen_through_every_view_of_the_row(clock):
    scoreboard = Scoreboard(2)
    scoreboard.row(1).tick()
    assert scoreboard.row(1).last_tick == pytest.approx(1000.0)
    assert scoreboard.row(0).last_tick is None
    clock[0] = 1001.5
    scoreboard.row(1).tick()
    assert scoreboard.row(1).last_tick == pytest.approx(1001.5)


def test_counts_add_up_and_others_are_replaced():
    row = Scoreboard(1).row(0)
    row.count(10)
    row.count(5_000_000_000)
    row.show(READING, 7)
    row.show(READING, 2)
    row.show(PRIVATE, 8)
    assert row.requests == 2
    assert row.private_memory == 8
    others = {figure.name: 0 for figure in ALL_FIGURES}
    assert row.figures == {**others, "requests": 2, "bytes": 5_000_000_010, "reading": 2, "private": 8}


def test_room_is_elsewhere_while_another_one_says_so(clock):
    scoreboard = Scoreboard(3)
    full, other = scoreboard.row(0), scoreboard.row(2)
    assert not full.is_room_elsewhere()
    other.clear()
    assert not full.is_room_elsewhere()
    other.show_room(has_room=True)
    assert full.is_room_elsewhere()
    clock[0] += 1.5
    assert full.is_room_elsewhere()
    clock[0] += 1.0  # it is stuck, or gone
    assert not full.is_room_elsewhere()
    other.show_room(has_room=True)
    other.show_room(has_room=False)
    assert not full.is_room_elsewhere()


def test_rows_of_nobody_are_not_looked_at(clock):
    scoreboard = Scoreboard(3)
    for nr in (1, 0):
        scoreboard.row(nr).clear()
    assert [scoreboard.row(nr).used for nr in range(3)] == [2, 2, 2]
    scoreboard.row(2).show_room(has_room=True)
    assert not scoreboard.row(0).is_room_elsewhere()
    scoreboard.row(2).clear()
    scoreboard.row(2).show_room(has_room=True)
    assert scoreboard.row(0).is_room_elsewhere()


def test_each_figure_has_a_cell_of_its_own():
    scoreboard = Scoreboard(2)
    for nr in range(2):
        for value, figure in enumerate(ALL_FIGURES, 1 + 100 * nr):
            scoreboard.row(nr).show(figure, value)
        scoreboard.row(nr).tick()
    for nr in range(2):
        assert list(scoreboard.row(nr).figures.values()) == list(range(1 + 100 * nr, 1 + 100 * nr + len(ALL_FIGURES)))
        assert not scoreboard.row(nr).wants_recycle


def test_the_wish_to_be_recycled_is_no_figure():
    row = Scoreboard(1).row(0)
    assert not row.wants_recycle
    row.request_recycle()
    assert row.wants_recycle
    assert set(row.figures.values()) == {0}


def test_what_is_under_way_is_beside_the_figures():
    scoreboard = Scoreboard(2)
    for nr in range(2):
        row = scoreboard.row(nr)
        for figure in ALL_FIGURES:
            row.show(figure, 2**64 - 1)
        row.request_recycle()
        for number in range(MAX_SHOWN):
            row.under_way.begin(parse_url(f"gemini://localhost/{nr}/{number}/{'x' * 300}".encode()))
    for nr in range(2):
        row = scoreboard.row(nr)
        assert sorted(text[:14] for text in row.under_way.read()) == sorted(
            f"localhost/{nr}/{number}/x"[:14] for number in range(MAX_SHOWN)
        )
        assert set(row.figures.values()) == {2**64 - 1}


def test_a_worker_can_write_its_own_row_alone_and_read_the_others():
    """It is one, and what a stray write of its own hits is not what the master goes by for others."""
    scoreboard = Scoreboard(3)
    scoreboard.row(0).show(READING, 7)
    ends = []
    for nr in range(4):
        pid = os.fork()
        if pid == 0:
            faulthandler.disable()
            try:
                row = scoreboard.keep_to(1)
                row.tick()
                assert scoreboard.row(0).figures["reading"] == 7
                scoreboard.row(nr).tick() if nr < 3 else scoreboard.row(1).clear()
                os._exit(0)
            finally:
                os._exit(1)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    assert ends == [-signal.SIGSEGV, 0, -signal.SIGSEGV, -signal.SIGSEGV]
    assert [scoreboard.row(nr).last_tick is None for nr in range(3)] == [True, False, True]


def test_clearing_forgets_one_row_only():
    scoreboard = Scoreboard(3)
    for nr in range(3):
        scoreboard.row(nr).tick()
        scoreboard.row(nr).count(1)
        scoreboard.row(nr).show(READING, 2)
        scoreboard.row(nr).under_way.begin(parse_url(b"gemini://localhost/"))
    scoreboard.row(1).clear()
    assert [len(scoreboard.row(nr).under_way.read()) for nr in range(3)] == [1, 0, 1]
    assert [scoreboard.row(nr).last_tick is None for nr in range(3)] == [False, True, False]
    assert [sum(scoreboard.row(nr).figures.values()) for nr in range(3)] == [4, 0, 4]


def test_answers_of_gateways_are_counted():
    row = Scoreboard(1).row(0)
    for _ in range(2):
        row.count_answer("fastcgi", 43)
    row.count_answer("http", 20)
    assert {name: value for name, value in row.figures.items() if value} == {"fastcgi_43": 2, "http_20": 1}
