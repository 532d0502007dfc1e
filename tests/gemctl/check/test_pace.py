"""How long is waited between requests, by a clock that is the test's."""

import types

import pytest

from gemd.gemctl.check import pace as module
from gemd.gemctl.check.pace import OutOfTime, Pace
from gemd.system import deadline


@pytest.fixture
def slept(monkeypatch):
    """What was slept, in seconds."""
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(round(seconds, 6))
        now[0] += seconds

    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(deadline, "time", clock)
    return slept


def test_a_pause_between_two(slept):
    pace = Pace(0.5, 60.0)
    pace.step()
    assert slept == []
    pace.step()
    pace.step()
    assert slept == [0.5, 0.5]


def test_no_pause(slept):
    pace = Pace(0.0, 60.0)
    for _ in range(3):
        pace.step()
    assert slept == []


@pytest.mark.parametrize(
    ("meta", "waits"),
    {
        "7": [7.0] * 3,
        " 7 seconds": [7.0] * 3,
        "slow down": [1.0, 2.0, 4.0],
        "0": [0.25] * 3,
        "99999": [60.0] * 3,
    }.items(),
)
def test_who_is_told_to_slow_down(slept, meta, waits):
    pace = Pace(0.0, 600.0)
    for tries in range(3):
        pace.slow_down(meta, tries)
    assert slept == waits


def test_nothing_goes_on_after_the_end(slept):
    pace = Pace(3.0, 5.0)
    pace.step()
    assert pace.limit(60.0) == 5.0
    pace.step()
    assert pace.limit(60.0) == 2.0
    with pytest.raises(OutOfTime):
        pace.step()
    with pytest.raises(OutOfTime):
        pace.slow_down("30", 0)
    assert slept == [3.0]


def test_the_end_itself(slept):
    pace = Pace(5.0, 5.0)
    pace.step()
    pace.step()
    with pytest.raises(OutOfTime):
        pace.limit(1.0)


def test_who_has_no_room_is_given_time(slept):
    pace = Pace(0.0, 60.0)
    for tries in range(3):
        pace.make_room(tries)
    assert slept == [1.0, 2.0, 4.0]


def test_others_are_asked_slowly_until_the_same_end(slept):
    others = Pace(0.0, 5.0).for_others()
    for _ in range(3):
        others.step()
    assert slept == pytest.approx([0.1, 0.1])
    assert others.limit(60.0) == pytest.approx(4.8)
    assert Pace(3.0, 60.0).for_others()._pause == 3.0
