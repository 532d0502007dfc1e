import contextlib
import fcntl
import io
import os
import signal
import struct
import termios

import pytest

from gemd.gemctl.screen import Screen, can_draw
from gemd.system.deadline import Deadline

from .conftest import LONGEST

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class Terminal(io.StringIO):
    """What is written to a terminal that has the size of a real one."""

    def __init__(self, descriptor):
        super().__init__()
        self._descriptor = descriptor

    def isatty(self):
        return True

    def fileno(self):
        return self._descriptor

    def resize(self, columns, lines):
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@pytest.fixture
def terminal():
    leader, follower = os.openpty()
    yield Terminal(follower)
    os.close(leader)
    os.close(follower)


def test_lines_are_no_screen(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert can_draw(terminal)
    assert not can_draw(io.StringIO())
    for name in ("dumb", "unknown", ""):
        monkeypatch.setenv("TERM", name)
        assert not can_draw(terminal)
    monkeypatch.delenv("TERM")
    assert not can_draw(terminal)


def test_a_drawing_covers_the_one_before_and_never_scrolls(terminal):
    terminal.resize(4, 3)
    with Screen(terminal) as screen:
        screen.draw("one\ntwo long\nthree\nfour\n")
        assert screen.columns == 4
    assert terminal.getvalue() == f"{ENTER}\x1b[Hone\x1b[K\r\ntwo \x1b[K\r\nthre\x1b[K\x1b[J{LEAVE}"


def test_without_a_size_it_is_taken_for_a_small_one(terminal):
    with Screen(terminal) as screen:
        screen.draw("x" * 100 + "\nline" * 30)
        assert screen.columns == 80
    shown = terminal.getvalue()
    assert "x" * 80 + "\x1b[K" in shown
    assert shown.count("line") == 23


def test_the_terminal_is_given_back_whatever_happens(terminal):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with contextlib.suppress(KeyboardInterrupt), Screen(terminal):
        raise KeyboardInterrupt
    assert terminal.getvalue() == ENTER + LEAVE
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_waits_until_the_deadline_or_another_size(terminal):
    with Screen(terminal) as screen:
        assert not screen.wait(Deadline(0.01))
        signal.raise_signal(signal.SIGWINCH)
        assert screen.wait(Deadline(LONGEST))
        assert not screen.wait(Deadline(0))


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal, monkeypatch):
    sent = []
    with Screen(terminal) as screen:
        monkeypatch.setattr(os, "kill", lambda *call: sent.append((*call, terminal.getvalue())))
        signal.raise_signal(signal.SIGTSTP)
        assert screen.wait(Deadline(LONGEST))
    assert sent == [(os.getpid(), signal.SIGSTOP, ENTER + LEAVE)]
    assert terminal.getvalue() == ENTER + LEAVE + ENTER + LEAVE
