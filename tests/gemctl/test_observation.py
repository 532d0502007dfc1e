import re

from gemd.gemctl.failure import Failure
from gemd.gemctl.observation import Observation
from gemd.gemctl.rates import Look
from gemd.gemctl.status import parse_status

from .conftest import STATUS


def look_at(moment, uptime=None, **changes):
    status = parse_status({**STATUS, "uptime": moment if uptime is None else uptime, **changes})
    return Look(status, moment, moment)


def events(seen):
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", str(event)) for event in seen.events]


def test_rates_are_kept_in_order():
    seen = Observation(look_at(100, requests=0))
    for moment, requests in ((102, 10), (104, 14), (106, 14)):
        seen.take(look_at(moment, requests=requests))
    assert list(seen.requests) == [5.0, 2.0, 0.0]
    assert seen.rates.requests == 0.0
    assert events(seen) == []


def test_of_the_past_no_more_is_kept_than_a_terminal_shows():
    seen = Observation(look_at(0))
    for moment in range(1, 3000):
        seen.take(look_at(moment, generation=moment))
    assert len(seen.requests) == 1024
    assert len(seen.events) == 4


def test_a_restart_is_told_and_a_gap():
    seen = Observation(look_at(100, requests=50))
    seen.take(look_at(101, requests=51))
    for _ in range(2):
        seen.miss(Failure("/run/x: nobody listens\x1b there", "gemd does not run"))
    assert list(seen.away) == ["/run/x: nobody listens\x1b there", "gemd does not run"]
    assert seen.rates is None
    seen.take(look_at(104, uptime=0.5, pid=9, requests=900, generation=1))
    assert not seen.away
    assert seen.rates is None
    seen.take(look_at(105, uptime=1.5, pid=9, requests=902, generation=1))
    assert list(seen.requests) == [1.0, None, None, None, 2.0]
    assert events(seen) == [
        "gemd can't be asked: /run/x: nobody listens\\x1b there; gemd does not run",
        "gemd answers again, after 0s",
        "another master, 9: its counters begin with 0",
    ]


def test_a_reload_and_workers_that_died_are_told():
    seen = Observation(look_at(100, generation=3, deaths=2))
    seen.take(look_at(101, generation=4, deaths=2))
    seen.take(look_at(102, generation=4, deaths=5))
    assert events(seen) == ["a reload: generation 4 serves", "workers that died: 3"]
    assert list(seen.requests) == [0.0, 0.0]


def test_a_clock_that_is_set_meanwhile_changes_no_duration(monkeypatch):
    seen, times = Observation(look_at(100)), iter([7200.0, 0.0, 0.0])
    monkeypatch.setattr("gemd.gemctl.observation.time.time", lambda: next(times))
    seen.miss(Failure("nobody listens there"))
    seen.take(look_at(102))
    assert events(seen)[1] == "gemd answers again, after 0s"
