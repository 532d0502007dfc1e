"""The way to an upstream: whose turn it is, what is looked up, and who is tried next."""

import os
import socket
import time

import pytest

from gemd.protocol.response import ResolveError, when_writable
from gemd.responders.gateway import route as module
from gemd.responders.gateway.route import NoUpstream, Route
from tests.support.waiting import wait_for

from .upstream_programs import Helper, upstreams_at


@pytest.fixture
def begin():
    made = []

    def begin(upstreams, helper=None, timeout=30.0):
        route = Route(upstreams, timeout)
        route.begin(helper or Helper(), lambda: made.append("turn"))
        made.append(route)
        return route

    yield begin
    for route in made:
        if route != "turn":
            route.close()


def closed_place():
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"127.0.0.1:{sock.getsockname()[1]}"


def follow(route):
    """The connected socket."""
    found = []
    wait_for(lambda: found.append(route.advance()) or found[-1], "a connection")
    return found[-1]


def test_it_leads_to_the_first(server, begin):
    route = begin(upstreams_at(server.place))
    with follow(route) as sock:
        assert sock.getpeername() == server.listener.getsockname()
        assert not sock.getblocking()
    assert (str(route), route.descriptors) == (server.place, ())


def test_a_unix_socket(tmp_path, begin):
    path = os.fspath(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with follow(begin(upstreams_at(f"unix:{path}"))) as sock:
            assert sock.getpeername() == path


def test_what_is_being_tried_is_watched(begin, monkeypatch):
    class Slow:
        descriptor, deadline = 7, 12.5

        def __init__(self, targets, connect_by):
            pass

        def advance(self):
            return None

        def close(self):
            pass

    monkeypatch.setattr(module, "Dial", Slow)
    route = begin(upstreams_at("127.0.0.1:9"))
    assert route.advance() is None
    assert tuple(route.descriptors) == (when_writable(7),)
    assert route.deadline == 12.5


def test_the_next_one_is_tried_and_the_first_left_out(server, begin, caplog):
    upstreams = upstreams_at(closed_place(), server.place)
    follow(begin(upstreams)).close()
    assert "can't be reached: Connection refused, and is left out" in caplog.records[0].message
    for _ in range(3):
        assert str(upstreams.take_order()[0].address) == server.place


def test_none_of_them(begin, tmp_path):
    route = begin(upstreams_at(closed_place(), f"unix:{tmp_path}/none"))
    with pytest.raises(NoUpstream, match="can't be reached: No such file or directory"):
        follow(route)
    assert str(route) == f"unix:{tmp_path}/none"


def test_time_is_shared_by_those_that_are_left(begin, monkeypatch):
    given = []

    class Noting:
        descriptor, deadline = None, 0.0

        def __init__(self, targets, connect_by):
            given.append(connect_by - time.monotonic())

        def advance(self):
            raise module.DialError("it does not answer")

        def close(self):
            pass

    monkeypatch.setattr(module, "Dial", Noting)
    with pytest.raises(NoUpstream):
        begin(upstreams_at("127.0.0.1:1", "127.0.0.1:2"), timeout=2.0).advance()
    assert given == [pytest.approx(1.0, abs=0.2), pytest.approx(2.0, abs=0.2)]


def test_a_name_is_waited_for(server, begin):
    helper = Helper()
    route = begin(upstreams_at("b.internal:9000"), helper)
    assert route.advance() is None
    assert (route.descriptors, helper.asked) == ((), [("b.internal", 9000)])
    helper.addresses = [(int(socket.AF_INET), server.listener.getsockname())]
    follow(route).close()
    route.close()
    assert helper.forgotten == []


def test_a_name_that_is_not_found_in_time_leaves_some_to_the_next(server, begin):
    """A name server that hangs is no reason not to ask the one that has an address."""
    helper = Helper()
    route = begin(upstreams_at("b.internal:9000", server.place), helper, timeout=0.5)
    assert route.advance() is None
    assert route.deadline <= time.monotonic() + 0.25
    follow(route).close()
    assert (str(route), helper.forgotten) == (server.place, [("b.internal", 9000)])


def test_who_leaves_waits_for_no_name(begin):
    helper = Helper()
    route = begin(upstreams_at("b.internal:9000"), helper)
    route.advance()
    route.close()
    assert helper.forgotten == [("b.internal", 9000)]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_name_without_an_address(begin, is_late):
    helper = Helper()
    helper.addresses = None if is_late else ResolveError("it can't be looked up: no such name")
    route = begin(upstreams_at("b.internal:9000"), helper, timeout=0.01 if is_late else 30.0)
    with pytest.raises(NoUpstream, match="in time" if is_late else "no such name"):
        wait_for(route.advance, "the end")


def test_requests_take_turns_by_client(server, begin):
    upstreams = upstreams_at(server.place, connections=1)
    helpers = [Helper("a"), Helper("b"), Helper("c")]
    routes = [begin(upstreams, helper) for helper in helpers]
    assert [route.has_turn for route in routes] == [True, False, False]
    assert routes[1].advance() is None
    assert [helper.woken for helper in helpers] == [1, 0, 0]
    routes[0].leave()
    assert [route.has_turn for route in routes] == [True, True, False]
    assert [helper.woken for helper in helpers] == [1, 1, 0]
    routes[0].close()  # and its place is not given back again
    assert upstreams.places.taken == 1


def test_who_has_too_many_is_refused(server, begin):
    upstreams = upstreams_at(server.place, connections=5)  # of which one client may have two
    routes = [begin(upstreams, Helper(client)) for client in "aaab"]
    assert [route.is_refused for route in routes] == [False, False, True, False]
    assert [route.has_turn for route in routes] == [True, True, False, True]
    routes[0].close()
    assert not begin(upstreams, Helper("a")).is_refused


def test_gemd_itself_is_no_upstream(server, begin):
    upstreams = upstreams_at(server.place)
    upstreams.is_own = lambda sock: sock.getpeername() == server.listener.getsockname()
    with pytest.raises(NoUpstream, match="this is a loop"):
        follow(begin(upstreams))


def test_who_leaves_before_its_turn_waits_no_longer(server, begin):
    upstreams = upstreams_at(server.place, connections=1)
    first, second = begin(upstreams), begin(upstreams, Helper("b"))
    second.close()
    first.close()
    assert (upstreams.places.taken, upstreams.places.waiting) == (0, 0)
    assert not second.has_turn
