"""What becomes of a script that is to end, as a clock goes on; its processes are played."""

from types import SimpleNamespace

import pytest

from gemd.system import script_ending
from gemd.system.running_script import Remains
from gemd.system.script_ending import Ending

HERE, ELSEWHERE = False, True
NEVER = 1e6


class Played:
    """A script whose processes end when they are told to: at a signal, or at a moment."""

    def __init__(self, clock, *, leader, rest=0.0, stubborn=False, elsewhere=HERE):
        self._clock, self._leader, self._rest, self._stubborn = clock, leader, rest, stubborn
        self.is_elsewhere = elsewhere
        self.calls = []

    def has_ended(self):
        return self._clock.now >= self._leader

    def goes_on(self):
        return self._clock.now < max(self._leader, self._rest)

    def is_readable(self):
        return not self.goes_on() if self.is_elsewhere else self.has_ended()

    def terminate(self):
        self.calls.append(("TERM", self._clock.now))
        if not self._stubborn:
            self._leader, self._rest = (min(each, self._clock.now) for each in (self._leader, self._rest))

    def kill(self):
        self.calls.append(("KILL", self._clock.now))
        self._leader, self._rest = (min(each, self._clock.now) for each in (self._leader, self._rest))

    def fileno(self):
        return 7

    def end(self):
        return Remains()


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(script_ending, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def follow(clock):
    """Look whenever it is time; when all was over, and which signals were sent when."""

    def follow(after, *, is_over=True, hurry=None, **script):
        clock.now = 0.0
        played = Played(clock, **script)
        ending = Ending(played, after, lambda _: None, is_over=is_over)
        if not is_over:
            played.terminate()
        for _ in range(10_000):
            if hurry is not None and clock.now >= hurry:
                ending.hurry(hurry)
            if ending.advance():
                return round(clock.now, 2), [(name, round(moment, 2)) for name, moment in played.calls]
            is_readable = ending.descriptor is not None and played.is_readable()
            look = min(ending.next_look(), hurry if hurry is not None and clock.now < hurry else NEVER)
            clock.now = clock.now if is_readable else max(clock.now, look)
            assert clock.now < NEVER, "nobody looks any more"
        raise AssertionError("it does not end")

    return follow


STORIES = {
    "nothing is left": (0.0, {"leader": 0}, 0.0, []),
    "nothing is left, with time for it": (60.0, {"leader": 0}, 0.0, []),
    "something is about to end": (0.0, {"leader": 0, "rest": 0.05}, 0.07, []),
    "something goes on": (0.0, {"leader": 0, "rest": NEVER}, 0.1, [("KILL", 0.1)]),
    "the leader goes on": (0.0, {"leader": NEVER}, 0.0, [("KILL", 0.0)]),
    "something goes on and has time": (60.0, {"leader": 0, "rest": 5}, 5.0, []),
    "something has not time enough": (3.0, {"leader": 0, "rest": NEVER}, 3.0, [("TERM", 3.0)]),
    "something heeds nothing": (
        3.0,
        {"leader": 0, "rest": NEVER, "stubborn": True},
        3.5,
        [("TERM", 3.0), ("KILL", 3.5)],
    ),
    "the leader has time": (60.0, {"leader": 5}, 5.0, []),
    "the leader has not time enough": (3.0, {"leader": NEVER}, 3.0, [("TERM", 3.0)]),
    "the leader, then others": (60.0, {"leader": 5, "rest": 8}, 8.0, []),
    "there is a hurry": (60.0, {"leader": 0, "rest": NEVER, "hurry": 2.0}, 2.0, [("TERM", 2.0)]),
    "there is a hurry for who may not go on": (0.0, {"leader": NEVER, "hurry": 2.0}, 0.0, [("KILL", 0.0)]),
    "elsewhere, soon": (0.0, {"leader": 0, "rest": 1, "elsewhere": ELSEWHERE}, 1.0, []),
    "elsewhere, never": (0.0, {"leader": 0, "rest": NEVER, "elsewhere": ELSEWHERE}, 2.1, [("TERM", 2.1)]),
    "the leader elsewhere": (0.0, {"leader": NEVER, "elsewhere": ELSEWHERE}, 0.0, [("TERM", 0.0)]),
    "elsewhere nobody heeds": (
        3.0,
        {"leader": 0, "rest": NEVER, "stubborn": True, "elsewhere": ELSEWHERE},
        7.5,
        [("TERM", 5.0), ("KILL", 7.5)],
    ),
    "it is wanted no more": (60.0, {"leader": NEVER, "is_over": False}, 0.0, [("TERM", 0.0)]),
    "it is wanted no more and heeds nothing": (
        60.0,
        {"leader": NEVER, "is_over": False, "stubborn": True},
        0.5,
        [("TERM", 0.0), ("KILL", 0.5)],
    ),
    "of what is wanted no more nothing goes on": (
        60.0,
        {"leader": 0, "rest": NEVER, "is_over": False},
        0.0,
        [("TERM", 0.0)],
    ),
}


@pytest.mark.parametrize(("after", "script", "end", "signals"), STORIES.values(), ids=STORIES)
def test_ends_when_it_should(follow, after, script, end, signals):
    moment, sent = follow(after, **script)
    assert sent == signals
    assert end <= moment <= end + 0.25


def test_may_go_on_only_when_it_is_over_and_has_time(clock):
    played = Played(clock, leader=0)
    made = [Ending(played, after, lambda _: None, is_over=is_over) for after in (0.0, 1.0) for is_over in (False, True)]
    assert [ending.may_go_on for ending in made] == [False, False, False, True]


def test_looks_are_frequent_at_first(clock):
    ending = Ending(Played(clock, leader=0, rest=NEVER), 60.0, lambda _: None, is_over=True)
    looks = []
    for _ in range(8):
        assert not ending.advance()
        assert ending.descriptor is None
        looks.append(round(ending.next_look() - clock.now, 2))
        clock.now = ending.next_look()
    assert looks[0] == 0.01
    assert looks[-1] == 0.25
