import contextlib
import fcntl
import io
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.status import parse_status
from gemd.gemctl.watch import watch

from .conftest import LONGEST, STATUS

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d serving: ")


def status(**changes):
    return parse_status({**STATUS, **changes})


class Terminal(io.StringIO):
    """A terminal without a size, as far as can be seen."""

    encoding = "utf-8"

    def __init__(self, descriptor):
        super().__init__()
        self._descriptor = descriptor

    def isatty(self):
        return True

    def fileno(self):
        return self._descriptor


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = os.openpty()
    yield Terminal(follower)
    os.close(leader)
    os.close(follower)


@pytest.fixture
def ask():
    """Give a function that gives one answer after the other, in no time, and then presses Ctrl-C."""

    def plan(*answers):
        planned = iter(answers)
        uptime = time.monotonic()

        def ask_status():
            answer = next(planned, None)
            if answer is None:
                raise KeyboardInterrupt
            if isinstance(answer, Failure):
                raise answer
            return status(**{"uptime": time.monotonic() - uptime, **answer})

        return ask_status

    return plan


def test_redraws_until_ctrl_c_and_gives_the_terminal_back(terminal, ask):
    watch(ask({"requests": 1}, {"requests": 10**9}, {"requests": 10**9}), 0.01, terminal)
    screen = terminal.getvalue()
    assert screen.startswith("\x1b[?1049h\x1b[?25l\x1b[Hgemd 0.2.0")
    assert screen.endswith("\x1b[J\x1b[?25h\x1b[?1049l")
    first, second, third = screen.split("\x1b[H")[1:]
    assert "/s)" not in first
    assert "  requests/s      0 to 1/s, one each 0.01 s\x1b[K" in first
    assert "1,000,000,000 (" in second
    assert re.search("  requests/s     [▂-█] 0 to [125]0+(,000)+/s", second)
    assert "1,000,000,000 (0.0/s)" in third
    assert re.search("  requests/s     [▂-█]▁ 0 to", third)


def test_a_master_that_is_away_for_a_while_is_told(terminal, ask):
    watch(ask({}, Failure("nobody listens there\x1b[2J"), {"pid": 9, "uptime": 0.0}), 0.01, terminal)
    _, away, back = terminal.getvalue().split("\x1b[H")[1:]
    assert away.startswith("nobody listens there\\x1b[2J\x1b[K")
    assert "master 9" in back
    assert "another master, 9" in back
    assert "gemd answers again, after 0s" in back


def test_a_master_that_was_never_there_is_a_failure(terminal, ask):
    with pytest.raises(Failure):
        watch(ask(Failure("no")), 1.0, terminal)
    assert terminal.getvalue() == ""


def test_into_a_file_a_line_each_time_and_no_escapes(ask):
    output = io.StringIO()
    answers = ({"requests": 1}, {"requests": 2}, Failure("no\x1b", "why"), {"pid": 9})
    watch(ask(*answers), 0.01, output)
    lines = output.getvalue().splitlines()
    assert "\x1b" not in output.getvalue()
    assert len(lines) == 4
    assert all(LINE.match(lines[i]) for i in (0, 1, 3))
    assert "1 requests, " in lines[0]
    assert re.search(r"2 requests \(\d+\.\d/s\), ", lines[1])
    assert lines[2].endswith(" no\\x1b; why")
    assert lines[3].endswith("; gemd answers again, after 0s; another master, 9: its counters begin with 0")


def test_a_dumb_terminal_has_lines(terminal, ask, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    watch(ask({}), 0.01, terminal)
    assert LINE.match(terminal.getvalue())


def test_sigterm_gives_the_terminal_back(terminal):
    before = signal.getsignal(signal.SIGTERM)
    answers = iter([status()])

    def ask_status():
        return next(answers, None) or signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as caught:
        watch(ask_status, 0.01, terminal)
    assert caught.value.code == 0
    assert terminal.getvalue().endswith("\x1b[?25h\x1b[?1049l")
    assert signal.getsignal(signal.SIGTERM) == before


class Watching:
    """`gemctl status --watch` on a real terminal."""

    def __init__(self, socket, columns, seconds="0.05", **environment):
        self._leader, follower = os.openpty()
        self.settings = termios.tcgetattr(follower)
        self.resize(columns)
        command = [sys.executable, "-m", "gemd.gemctl", "-s", str(socket), "status", "--watch", seconds]
        self.process = subprocess.Popen(
            command,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "TERM": "xterm", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._follower = follower
        self.screen = b""

    def resize(self, columns):
        fcntl.ioctl(self._leader, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def type(self, key):
        os.write(self._leader, key)

    def read_until(self, pattern, encoding="utf-8"):
        """Read what is drawn, until a drawing matches; return that one."""
        drawn = ""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            if select.select([self._leader], [], [], 0.1)[0]:
                self.screen += os.read(self._leader, 65536)
            *whole, _ = self.screen.decode(encoding, "replace").split("\x1b[H")
            drawn = whole[-1] if whole else ""
            if re.search(pattern, drawn):
                self.screen = self.screen[self.screen.rindex(b"\x1b[H") :]
                return drawn
        raise AssertionError(f"{pattern}: {drawn}")

    def finish(self):
        code = self.process.wait(LONGEST)
        while select.select([self._leader], [], [], 0)[0]:
            self.screen += os.read(self._leader, 65536)
        assert termios.tcgetattr(self._follower) == self.settings
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._leader)
        os.close(self._follower)


@pytest.fixture
def watching(master):
    """Watch a master that has always the same to say, on a terminal."""
    started = []

    def start(columns=120, **environment):
        it = master(json.dumps({"ok": True, "status": STATUS}).encode() + b"\n")
        started.append(Watching(it.path, columns, **environment))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_on_a_real_terminal_ctrl_c_ends_it_cleanly(watching):
    it = watching()
    it.read_until("one each 0.05 s")
    it.type(b"\x03")
    assert it.finish() == 0
    assert it.screen.endswith(b"\x1b[?25h\x1b[?1049l")
    assert b"Traceback" not in it.screen


def test_a_terminal_that_is_resized_is_drawn_anew(watching):
    it = watching(columns=120)
    assert it.read_until("master 123").count("WORKER  PID  STATE     GEN  UPTIME  REQ/S  SENT/S   REQUESTS") == 1
    it.resize(20)
    drawn = it.read_until(r"WORKER  PID  STATE  \x1b\[K")
    assert max(len(line) for line in re.sub(r"\x1b\[\??[0-9]*[A-Za-z]", "", drawn).splitlines()) <= 20


def test_ctrl_z_and_back(watching):
    it = watching()
    it.read_until("master 123")
    it.type(b"\x1a")
    end = time.monotonic() + LONGEST
    state = None
    while state != "T":
        assert time.monotonic() < end
        with contextlib.suppress(OSError), Path(f"/proc/{it.process.pid}/stat").open() as stat:
            state = stat.read().rpartition(")")[2].split()[0]
    it.process.send_signal(signal.SIGCONT)
    it.read_until(r"\x1b\[\?25h\x1b\[\?1049l(\^Z)?\x1b\[\?1049h\x1b\[\?25l")
    it.type(b"\x03")
    assert it.finish() == 0
