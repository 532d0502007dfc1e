import pytest

from gemd.gemctl.rates import Look, is_same_master, look, rates_between
from gemd.gemctl.status import parse_status
from gemd.protocol.figures import BYTES, RECEIVED, REFUSED, REQUESTS

from .conftest import STATUS


def look_at(moment, uptime=None, workers=(), **changes):
    """A look that took 10 ms; the master is as old as the moment says."""
    status = {**STATUS, "uptime": moment if uptime is None else uptime, "workers": workers, **changes}
    return Look(parse_status(status), moment - 0.01, moment)


def worker(pid=7, generation=1, **figures):
    return {"nr": 1, "pid": pid, "generation": generation, "state": "serving", **figures}


def test_what_came_in_a_second():
    before = look_at(100.0, requests=10, bytes=1000, received=0, refused=5)
    after = look_at(102.0, requests=35, bytes=5000, received=8, refused=6)
    rates = rates_between(before, after)
    assert rates.requests == 12.5
    assert rates.totals == {REQUESTS.name: 12.5, BYTES.name: 2000.0, RECEIVED.name: 4.0, REFUSED.name: 0.5}


def test_a_worker_that_was_not_there_before_has_none():
    before = look_at(100.0, workers=[worker(7, requests=100, bytes=10), worker(8, requests=900)])
    after = look_at(102.0, workers=[worker(7, requests=104, bytes=30), worker(9, requests=5000)])
    rates = rates_between(before, after)
    assert [rates.of_worker(one) for one in after.status.workers] == [(2.0, 10.0), None]


def test_a_worker_of_an_old_pid_has_none():
    before = look_at(100.0, workers=[worker(7, 1, requests=1), worker(8, requests=9)])
    after = look_at(102.0, workers=[worker(7, 2, requests=50), worker(8, requests=3)])
    assert rates_between(before, after).by_worker == {}


@pytest.mark.parametrize(
    "after",
    [
        look_at(102.0, pid=9),
        look_at(102.0, requests=4),
        look_at(102.0, refused=0),
        look_at(100.0),
        look_at(102.0, uptime=1.5, requests=10**9),  # in a container, the next master has the same pid
        look_at(500.0, uptime=399.0, requests=10**9),
    ],
    ids=["another pid", "fewer requests", "fewer refused", "no time", "younger", "younger than the time that passed"],
)
def test_no_rate_across_a_restart(after):
    assert rates_between(look_at(100.0, requests=5), after) is None


def test_a_master_may_take_its_time_to_answer():
    before = Look(parse_status({**STATUS, "uptime": 50.0}), 100.0, 100.1)
    late = Look(parse_status({**STATUS, "uptime": 52.2}), 102.0, 109.0)
    assert is_same_master(before, late)


def test_a_look_knows_when():
    seen = look(lambda: parse_status(STATUS))
    assert seen.asked <= seen.answered
    assert seen.status.pid == 123
