import os

import pytest

from gemd.shared import rate_windows
from gemd.shared.rate_windows import Windows


@pytest.fixture
def clock(monkeypatch):
    """Time that a test moves: `clock.now` in seconds."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(rate_windows, "time", clock)
    return clock


@pytest.fixture
def windows(clock, monkeypatch):
    """By a secret that is always the same: of others, one in a thousand has two limiters share a cell."""
    windows = Windows()
    monkeypatch.setattr(windows, "_secret", bytes(16))
    return windows


def test_a_window_begins_with_the_first_and_ends(windows, clock):
    assert [windows.count("x", "a", 7200)[0] for _ in range(3)] == [1, 2, 3]
    clock.now += 7199
    assert windows.count("x", "a", 7200) == (4, 1.0)
    clock.now += 1
    assert windows.count("x", "a", 7200) == (1, 7200.0)


def test_counts_stay_within_their_bits(windows, monkeypatch):
    monkeypatch.setattr(Windows, "_COUNT_BITS", 2)
    assert [windows.count("x", "a", 60) for _ in range(5)] == [(1, 60), (2, 60), (3, 60), (3, 60), (3, 60)]


def test_limiters_and_keys_are_counted_each_by_itself(windows):
    counted = [("x", "a"), ("x", "b"), ("y", "a"), ("x", ("a", 1)), ("x", "a"), ("x", ("a", 1)), ("x", "\ud800")]
    assert [windows.count(name, key, 60)[0] for name, key in counted] == [1, 1, 1, 1, 2, 2, 1]


def test_a_reset_forgets_all_keys_of_one_limiter(windows):
    for name in ("x", "y"):
        for key in ("a", "b"):
            windows.count(name, key, 60)
    windows.reset("x")
    assert [windows.count(name, key, 60)[0] for name in ("x", "y") for key in ("a", "b")] == [1, 1, 2, 2]


def test_all_processes_have_the_same(windows):
    child = os.fork()
    if not child:
        os._exit(int([windows.count("x", "a", 60)[0] for _ in range(2)] != [1, 2]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert windows.count("x", "a", 60)[0] == 3
