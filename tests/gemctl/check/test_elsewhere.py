"""Links to other capsules."""

import pytest

from gemd.gemctl.check import elsewhere as module
from gemd.gemctl.check.elsewhere import Elsewhere
from gemd.gemctl.check.meter import Meter
from gemd.gemctl.check.pace import Pace
from gemd.gemctl.failure import Failure
from gemd.protocol.response import ResolveError
from tests.gemctl.conftest import LONGEST

ROBOTS = b"20 text/plain\r\nUser-agent: *\nDisallow: /left/alone\n"


@pytest.fixture
def elsewhere():
    return lambda limit=9: Elsewhere(Pace(0.0, LONGEST), LONGEST, limit)


def found(elsewhere):
    return [(finding.kind.value, finding.check, finding.where, finding.found) for finding in elsewhere.run(Meter())]


def test_one_request_each(checked, elsewhere):
    server = checked(pages={"/robots.txt": ROBOTS, "/a": b"20 text/gemini\r\n=> /b\n", "/c": b"30 /d\r\n"})
    one, there = elsewhere(), f"gemini://localhost:{server.port}"
    for path in ("/a", "/c", "/a", "/left/alone/a"):
        one.learn(there + path, "page:1")
    assert found(one) == []
    assert [request.decode().strip().removeprefix(there) for request in server.requests] == ["/robots.txt", "/a", "/c"]


def test_dead_links(checked, elsewhere):
    server = checked(pages={"/a": b"hello"})
    one, there = elsewhere(), f"gemini://localhost:{server.port}"
    one.learn(f"{there}/a", "page:1")
    one.learn(f"{there}/b", "page:2")
    assert found(one) == [
        ("fault", "outer-link", "page:1", f'{there}/a got no Gemini header, but "hello"'),
        ("fault", "outer-link", "page:2", f'{there}/b got "51 Not found"'),
    ]


def test_nobody_is_there(elsewhere):
    one = elsewhere()
    one.learn("gemini://nobody.invalid/", "page:1")
    one.learn("gemini://127.0.0.1:1/", "page:2")
    (first, second) = found(one)
    assert first[3].startswith("gemini://nobody.invalid/ got no answer: it can't be looked up")
    assert second[3].startswith("gemini://127.0.0.1:1/ got no answer: can't connect to 127.0.0.1:1")


def test_a_server_that_is_not_there_is_tried_once(elsewhere, monkeypatch):
    one, tried = elsewhere(), []
    monkeypatch.setattr(one, "_reach", lambda target: tried.append(target.place) or fail())
    for number in range(5):
        one.learn(f"gemini://localhost:1/{number}", f"page:{number}")
    assert len(found(one)) == 5
    assert tried == ["localhost:1"]


def fail():
    raise Failure("it is not there")


def test_any_of_its_addresses_will_do(checked, elsewhere, monkeypatch):
    server = checked()
    monkeypatch.setattr(module, "look_up", lambda host, port: [(2, ("127.0.0.2", port)), (2, ("127.0.0.1", port))])
    one = elsewhere()
    one.learn(f"gemini://localhost:{server.port}/", "page:1")
    assert found(one) == []
    assert len(server.requests) == 2


def test_who_is_busy_may_have_it(checked, elsewhere):
    server = checked(pages={"/robots.txt": b"44 0\r\n", "/a": b"44 0\r\n"})
    one, there = elsewhere(), f"gemini://localhost:{server.port}"
    one.learn(f"{there}/a", "page:1")
    assert found(one) == [
        ("note", "outer-link", "page:1", f'{there}/a: it got "44 0" each time, so nobody knows'),
    ]


def test_others_have_a_pause(elsewhere):
    assert elsewhere()._pace._pause == 0.1


def test_no_more_than_were_allowed(elsewhere, monkeypatch):
    def refuse(url):
        raise Failure("no")

    one = elsewhere(2)
    monkeypatch.setattr(one, "_find", refuse)
    for number in range(5):
        one.learn(f"gemini://localhost/{number}", "page:1")
    assert [finding[3] for finding in found(one)][2:] == ["3 more links to them were not looked at"]
    assert one.asked == 2


def test_who_is_not_there_is_looked_for_once(elsewhere, monkeypatch):
    asked = []

    def refuse(name, port):
        asked.append(name)
        raise ResolveError("no such name")

    one = elsewhere()
    monkeypatch.setattr(module, "look_up", refuse)
    for number in range(3):
        one.learn(f"gemini://nobody.invalid/{number}", "page:1")
    assert {finding[3].partition(" ")[2] for finding in found(one)} == {"got no answer: no such name"}
    assert asked == ["nobody.invalid"]
