import pytest

from gemd.system.deadline import Deadline


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock, as a list of one time."""
    now = [100.0]
    monkeypatch.setattr("gemd.system.deadline.time.monotonic", lambda: now[0])
    return now


def test_what_remains_shrinks_to_nothing(clock):
    deadline = Deadline(5)
    assert deadline.remaining() == 5
    clock[0] = 104
    assert deadline.remaining() == 1
    clock[0] = 105
    assert deadline.remaining() == 0
    clock[0] = 200
    assert (deadline.remaining(), deadline.milliseconds()) == (0, 0)


@pytest.mark.parametrize(("seconds", "milliseconds"), [(1, 1000), (0.0015, 2), (0.0001, 1), (0, 0)])
def test_milliseconds_are_rounded_up_so_that_a_poll_is_never_hot(clock, seconds, milliseconds):
    clock[0] = 0.0
    assert Deadline(seconds).milliseconds() == milliseconds
