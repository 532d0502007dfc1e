"""Lines of the error log on their way to the master."""

import contextlib
import socket

import pytest

from gemd.shared.host_log import MasterLog, pass_on
from gemd.system.level import Level
from gemd.system.log import ErrorLog, error_log


@pytest.fixture
def pair():
    ours, its = socket.socketpair()
    yield ours, its
    ours.close()
    its.close()


class Written:
    """A log's target that keeps what is written."""

    def __init__(self):
        self.lines = []

    def write(self, line, level):
        self.lines.append((line, level))

    def hasten(self):
        """At once."""


@pytest.fixture
def written(monkeypatch):
    target = Written()
    error_log.forget()  # what others have said too often
    monkeypatch.setattr(error_log, "_target", target)
    monkeypatch.setattr(error_log, "_is_dated", True)
    monkeypatch.setattr(error_log, "level", Level.INFO)
    return target


def fail():
    raise ValueError("one\ntwo")


def test_what_is_logged_there_is_logged_here(pair, written):
    ours, its = pair
    log = ErrorLog()
    log.use(MasterLog(ours), Level.INFO, is_dated=True, shows_queries=False)
    log.warning("it is late")
    try:
        fail()
    except ValueError as error:
        log.error("it failed", exc_info=error)
    for line in its.recv(65536).removesuffix(b"\n").split(b"\n"):
        pass_on(line, "the application m:app", 7)
    assert written.lines[:3] == [
        ("warning: (pid 7) it is late", Level.WARNING),
        ("error: (pid 7) it failed", Level.ERROR),
        ("Traceback (most recent call last):", Level.ERROR),
    ]
    assert written.lines[-1] == ("    ValueError: one\\x0atwo", Level.ERROR)


def test_a_line_has_the_pid_of_who_said_it(written, monkeypatch):
    monkeypatch.setattr(error_log, "_is_dated", False)
    pass_on(b"<4>late", "the application m:app", 7)
    assert written.lines[0][0].endswith(" gemd[7] warning: late")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"<3+>2026-01-01 00:00:00 gemd[1] error: forged", "    2026-01-01 00:00:00 gemd[1] error: forged"),
        (b"<3>a\x1b[2Jb\xff", "error: (pid 7) a\\x1b[2Jb�"),
        (b"no level", "error: the application m:app: no level"),
        (b"<9>x", "error: the application m:app: <9>x"),
    ],
)
def test_nothing_that_is_said_can_be_taken_for_something_else(written, line, said):
    pass_on(line, "the application m:app", 7)
    assert [line for line, _ in written.lines] == [said]


def test_what_matters_less_than_is_logged_is_not(written):
    pass_on(b"<7>detail", "the application m:app", 7)
    assert written.lines == []


def test_a_master_that_does_not_read_is_not_waited_for(pair):
    ours, its = pair
    log = MasterLog(ours)
    for _ in range(5000):
        log.write("error: " + "x" * 1000, Level.ERROR)
    its.setblocking(False)
    read = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            read += its.recv(65536)
    log.write("error: last", Level.ERROR)
    read += its.recv(65536)
    assert b"lines of the error log were lost" in read
    assert all(line.startswith(b"<3>") for line in read.splitlines())
