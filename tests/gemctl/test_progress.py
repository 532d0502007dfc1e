import io
import itertools
import sys

import pytest

from gemd.gemctl import redrawn
from gemd.gemctl.progress import ProgressBar, draw_bar


class Screen(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal

    def fileno(self):
        raise OSError("no terminal")


@pytest.fixture
def show(monkeypatch):
    """What a screen shows of a transfer whose bytes are on their way at these moments, in seconds."""

    def show(size, *moments, is_terminal=True):
        screen = Screen(is_terminal)
        monkeypatch.setattr(sys, "stderr", screen)
        times = iter([0.0, *(moment for moment, _ in moments)])
        monkeypatch.setattr(redrawn.time, "monotonic", lambda: next(times))
        with ProgressBar(size) as bar:
            for _, done in moments:
                bar(done)
        return screen.getvalue().replace("\x1b[K", "").split("\r")[1:]

    return show


def test_a_bar_that_grows_and_goes(show):
    assert show(1_000_000, (0.2, 250_000), (0.4, 1_000_000)) == [
        "[" + "#" * 9 + "-" * 28 + "] 25 %, 244.1 KiB of 976.6 KiB, 1.2 MiB/s",
        "[" + "#" * 36 + "] 100 %, 976.6 KiB of 976.6 KiB, 2.4 MiB/s",
        "",
    ]


def test_it_is_drawn_at_most_ten_times_a_second(show):
    assert len(show(1_000_000, (0.2, 1), (0.25, 2), (0.29, 3), (0.31, 4))) == 3


def test_nothing_is_drawn_of_what_is_small_nor_where_there_is_no_terminal(show):
    assert show(1000, (0.2, 500)) == []
    assert show(1_000_000, (0.2, 500), is_terminal=False) == []


def test_nobody_knows_how_much_is_to_come(show):
    assert show(None, (0.2, 250_000), (0.4, 500_000)) == [
        "[  <=>" + " " * 35 + "] 244.1 KiB, 1.2 MiB/s",
        "[    <=>" + " " * 33 + "] 488.3 KiB, 1.2 MiB/s",
        "",
    ]
    assert show(None, (0.2, 250_000), is_terminal=False) == []


def test_what_turns_out_to_be_small(monkeypatch):
    screen = Screen(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar(None) as bar:
        for done in (0, 1000, 64 * 1024):
            bar(done)
    assert screen.getvalue() == ""


def test_the_mark_goes_to_and_fro():
    bars = [draw_bar(1000, None, tenth / 10 + 0.01, 30) for tenth in range(60)]
    places = [bar.index("<=>") for bar in bars]
    assert min(places) == 1
    assert all(abs(after - before) <= 1 for before, after in itertools.pairwise(places[20:]))


@pytest.mark.parametrize("size", [1_000_000, None])
@pytest.mark.parametrize("columns", [200, 80, 60, 40, 20, *range(2, 30)])
def test_it_fits_the_terminal(columns, size):
    for done in (0, 1, 999_999, 1_000_000):
        for seconds in (0.0, 0.5, 7.3):
            assert 0 < len(draw_bar(done, size, seconds, columns)) < columns


def test_no_time_has_passed():
    assert draw_bar(0, 10, 0.0, 80).endswith("] 0 %, 0 B of 10 B")
