"""A line that is drawn over."""

import io
import os
import sys

import pytest

from gemd.gemctl import redrawn
from gemd.gemctl.redrawn import RedrawnLine, fill_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


@pytest.fixture
def terminal(monkeypatch):
    """Standard error, 20 columns wide, at moments that are given in seconds."""

    def terminal(*moments):
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((20, 5)))
        times = iter(moments)
        monkeypatch.setattr(redrawn.time, "monotonic", lambda: next(times))
        return sys.stderr

    return terminal


def test_it_is_drawn_and_cleared(terminal):
    screen = terminal(5.0, 5.5, 5.55, 5.7)
    with RedrawnLine() as line:
        for _ in range(3):
            line.draw(lambda seconds, columns: f"{seconds:.1f} {columns}")
    assert screen.getvalue() == "\r\x1b[K0.5 20\r\x1b[K0.7 20\r\x1b[K"


def test_nothing_was_drawn_that_is_to_be_cleared(terminal):
    screen = terminal(5.0)
    with RedrawnLine():
        pass
    assert screen.getvalue() == ""


def test_where_nobody_wants_it(terminal, capsys):
    screen = terminal(5.0, 5.5)
    with RedrawnLine(is_wanted=False) as line:
        line.draw(lambda *_: "x")
    assert screen.getvalue() == ""


def test_where_there_is_no_terminal(capsys):
    with RedrawnLine() as line:
        line.draw(lambda *_: "x")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("done", "known", "bar"),
    [(0, 4, "[----]"), (1, 4, "[#---]"), (4, 4, "[####]"), (9, 4, "[####]"), (0, 0, "[----]")],
)
def test_bars(done, known, bar):
    assert fill_bar(done, known, 4) == bar
