"""Which upstream is next, and for whom."""

import pytest

from gemd.config.upstream import parse_upstream
from gemd.responders.gateway import upstreams as module
from gemd.responders.gateway.upstreams import Upstreams

PLACES = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.now)
    return Clock


def make(places=PLACES, connections=5):
    return Upstreams("scgi", "the application at /a", list(map(parse_upstream, places)), connections)


def order(upstreams):
    return [str(upstream.address)[-1] for upstream in upstreams.take_order()]


def test_they_take_turns():
    upstreams = make()
    assert [order(upstreams) for _ in range(4)] == [
        ["1", "2", "3"],
        ["2", "3", "1"],
        ["3", "1", "2"],
        ["1", "2", "3"],
    ]


def test_one_that_fails_is_the_last_for_a_while(clock, caplog):
    upstreams = make()
    first = upstreams.take_order()[0]
    upstreams.leave_out(first, "can't be reached: Connection refused")
    upstreams.leave_out(first, "can't be reached: Connection refused")
    assert [order(upstreams) for _ in range(3)] == [["2", "3", "1"], ["3", "2", "1"], ["2", "3", "1"]]
    clock.now += 10.0
    assert order(upstreams) == ["2", "3", "1"]
    assert order(upstreams) == ["3", "1", "2"]
    assert [record.message for record in caplog.records] == [
        "the application at /a: 127.0.0.1:1 can't be reached: Connection refused, and is left out for 10 s where there "
        "is another"
    ]


def test_all_that_fail_are_tried_nevertheless(clock):
    upstreams = make()
    for upstream in upstreams.take_order():
        upstreams.leave_out(upstream, "is gone")
    assert order(upstreams) == ["2", "3", "1"]


def test_the_only_one_is_never_left_out(clock, caplog):
    upstreams = make(PLACES[:1])
    upstreams.leave_out(upstreams.take_order()[0], "is gone")
    assert order(upstreams) == ["1"]
    assert caplog.records == []


def test_nothing_leads_to_gemd_itself_unless_it_is_said_so():
    assert not make().is_own(None)
    assert Upstreams("scgi", "a", [], 1, lambda sock: sock == 7).is_own(7)


def test_a_client_has_its_share_of_connections():
    assert [make(connections=number).places.max_per_client for number in (1, 2, 5, 64)] == [1, 1, 2, 31]


def test_the_first_of_two_moments_is_the_last():
    upstreams = make()
    assert upstreams.last_moment is None
    for moment in (7.0, 9.0, 8.0):
        upstreams.end_by(moment)
    assert upstreams.last_moment == 7.0
