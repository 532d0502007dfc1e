import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.status import parse_status
from gemd.gemctl.watch import draw, rate_between, watch

from .conftest import LONGEST, STATUS


def status(**changes):
    return parse_status({**STATUS, **changes})


def test_requests_a_second():
    assert rate_between(status(requests=10), status(requests=35), 2.0) == 12.5


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [({}, {"pid": 9}, 2.0), ({"requests": 5}, {"requests": 4}, 2.0), ({}, {}, 0.0)],
)
def test_no_rate_across_a_restart(before, after, seconds):
    assert rate_between(status(**before), status(**after), seconds) is None


def test_a_drawing_covers_the_one_before_and_never_scrolls():
    drawing = draw("one\ntwo long\nthree\nfour\n", columns=4, lines=4)
    assert drawing == "\x1b[Hone\x1b[K\ntwo \x1b[K\nthre\x1b[K\x1b[J"


class Terminal(io.StringIO):
    """A terminal without a size, as far as can be seen."""

    def __init__(self, descriptor):
        super().__init__()
        self._descriptor = descriptor

    def isatty(self):
        return True

    def fileno(self):
        return self._descriptor


@pytest.fixture
def terminal():
    leader, follower = os.openpty()
    yield Terminal(follower)
    os.close(leader)
    os.close(follower)


@pytest.fixture
def naps(monkeypatch):
    """Sleeps that take no time; Ctrl-C comes in the last one."""

    def plan(number):
        taken = []

        def nap(seconds):
            taken.append(seconds)
            if len(taken) == number:
                raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", nap)
        return taken

    return plan


def test_redraws_until_ctrl_c_and_gives_the_cursor_back(terminal, naps):
    taken = naps(3)
    answers = iter([status(requests=1), status(requests=1_000_000), status(requests=1_000_000)])
    watch(lambda: next(answers), 2.0, terminal)
    screen = terminal.getvalue()
    assert taken == [2.0] * 3
    assert screen.startswith("\x1b[?25l\x1b[Hgemd 0.2.0")
    assert screen.endswith("\x1b[J\x1b[?25h\n")
    first, second, third = screen.split("\x1b[H")[1:]
    assert "/s)" not in first
    assert "1,000,000 (" in second
    assert "1,000,000 (0.0/s)" in third


def test_a_master_that_is_away_for_a_while_is_a_line_on_the_screen(terminal, naps):
    naps(3)
    answers = iter([status(), Failure("nobody listens there\x1b[2J"), status(pid=9)])

    def ask():
        answer = next(answers)
        if isinstance(answer, Failure):
            raise answer
        return answer

    watch(ask, 1.0, terminal)
    _, away, back = terminal.getvalue().split("\x1b[H")[1:]
    assert away.startswith("nobody listens there\\x1b[2J\x1b[K")
    assert "master 9" in back


def test_a_master_that_was_never_there_is_a_failure(terminal):
    def ask():
        raise Failure("no")

    with pytest.raises(Failure):
        watch(ask, 1.0, terminal)
    assert terminal.getvalue() == ""


def test_into_a_file_there_are_no_escapes(naps):
    naps(2)
    output = io.StringIO()
    watch(status, 1.0, output)
    assert "\x1b" not in output.getvalue()
    assert output.getvalue().count("gemd 0.2.0") == 2


def test_sigterm_gives_the_cursor_back(terminal, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(time, "sleep", lambda _: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit) as caught:
        watch(status, 1.0, terminal)
    assert caught.value.code == 0
    assert terminal.getvalue().endswith("\x1b[?25h\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_on_a_real_terminal_ctrl_c_ends_it_cleanly(master):
    it = master(json.dumps({"ok": True, "status": STATUS}).encode() + b"\n")
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "gemd.gemctl", "-s", str(it.path), "status", "--watch", "0.05"]
    screen = b""
    with subprocess.Popen(command, stdout=follower, stderr=follower) as process:
        os.close(follower)
        try:
            with contextlib.suppress(OSError):  # EIO is the end
                while chunk := os.read(leader, 65536):
                    before, screen = screen.count(b"\x1b[H"), screen + chunk
                    if before < 3 <= screen.count(b"\x1b[H"):
                        process.send_signal(signal.SIGINT)
            assert process.wait(LONGEST) == 0
        finally:
            process.kill()
            os.close(leader)
    assert screen.startswith(b"\x1b[?25l\x1b[Hgemd 0.2.0, master 123")
    assert screen.rstrip().endswith(b"\x1b[?25h")
    assert b"Traceback" not in screen
