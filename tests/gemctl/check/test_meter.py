"""How far a check is."""

import io
import sys

import pytest

from gemd.gemctl.check.meter import Meter, draw_meter


@pytest.mark.parametrize(
    ("done", "known", "columns", "expected"),
    [
        (0, 4, 60, "[--------------------] 0 of 4, a"),
        (2, 4, 60, "[##########----------] 2 of 4, a"),
        (4, 4, 60, "[####################] 4 of 4, a"),
        (9, 4, 30, "[##########] 9 of 4, a"),
        (0, 0, 30, "[----------] 0 of 0, a"),
        (1, 2, 10, "[#--] 1 o"),
    ],
)
def test_a_bar(done, known, columns, expected):
    assert draw_meter(done, known, "a", columns) == expected


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise OSError


def test_it_is_drawn_and_cleared_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Meter() as meter:
        meter(1, 2, "a")
        meter(2, 2, "too soon")
    assert sys.stderr.getvalue() == f"\r\x1b[K[{'#' * 13}{'-' * 13}] 1 of 2, a\r\x1b[K"


def test_nothing_is_drawn_elsewhere(capsys):
    with Meter() as meter:
        meter(1, 2, "a")
    assert capsys.readouterr() == ("", "")


def test_what_harms_a_terminal_does_not_reach_it(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Meter() as meter:
        meter(1, 2, "a\x1b[31m")
    assert "a\\x1b[31m" in sys.stderr.getvalue()
