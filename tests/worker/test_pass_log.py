"""What is logged of a connection that was passed on."""

import json

import pytest

from gemd.system.access_log import AccessLog
from gemd.worker import pass_log
from gemd.worker.flow import Flow
from gemd.worker.pass_log import pass_logger
from gemd.worker.passed import PassedConnection
from tests.support.upstreams import upstream_at


class Log:
    def __init__(self):
        self.lines = []

    def write(self, line):
        self.lines.append(json.loads(line))


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def warnings(monkeypatch):
    found = []
    monkeypatch.setattr(pass_log.error_log, "warning", lambda text, *values: found.append(text % values))
    return found


@pytest.fixture
def make_passed(connect):
    made = []

    def make(place="127.0.0.1:1"):
        _, connection = connect()
        made.append(PassedConnection(connection, b"", "b.example", upstream_at(place)))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def test_a_line_has_both_directions_and_no_url(log, make_passed, warnings):
    passed = make_passed()
    passed.up, passed.down = Flow(passed.socket, passed.socket), Flow(passed.socket, passed.socket)
    passed.up.sent, passed.down.sent, passed.complete = 654, 871, True
    pass_logger(AccessLog(log, "json", "full", b""))(passed)
    (line,) = log.lines
    assert (line["host"], line["url"], line["status"], line["complete"]) == ("b.example", "-", 0, True)
    assert (line["sent"], line["received"], line["bytes"]) == (871, 654, 871)
    assert warnings == []


def test_an_upstream_that_is_not_there_is_named_once_in_a_while(log, make_passed, warnings, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(pass_log.time, "monotonic", lambda: now)
    log_pass = pass_logger(AccessLog(log, "json", "full", b""))
    for _ in range(3):
        for place in ("127.0.0.1:1", "127.0.0.1:2"):
            passed = make_passed(place)
            passed.failure = "Connection refused"
            log_pass(passed)
    first = [f"b.example can't be passed on to 127.0.0.1:{port}: Connection refused" for port in (1, 2)]
    assert warnings == first
    assert [(line["sent"], line["received"], line["complete"]) for line in log.lines] == [(0, 0, False)] * 6
    now = 1010.0
    log_pass(passed)
    assert warnings == [*first, first[1]]
