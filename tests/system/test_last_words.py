import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.system import last_words
from gemd.system.last_words import (
    HANDOVER,
    MOST,
    forget_predecessor,
    heed_predecessor,
    read_reasons,
    tell_predecessor,
    write_reasons,
)
from tests.support.waiting import LONGEST


@pytest.fixture
def line():
    """The predecessor's end, and that of this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, its:
        yield ours, its
        forget_predecessor()


def environ(descriptor):
    return {HANDOVER: json.dumps({"channel": descriptor, "lock": None})}


def test_lines_come_as_they_were():
    assert read_reasons(write_reasons(["one", "two: ünicode", "\udc80"])) == ("one", "two: ünicode", "\\udc80")


@pytest.mark.parametrize("message", [None, b"", b"ready", b"bye", b"why", b"\xff"])
def test_anything_else_is_none(message):
    assert read_reasons(message) == ()


@given(st.lists(st.text()), st.binary())
def test_whatever_is_said_is_no_more_than_a_message_and_can_be_read(lines, noise):
    message = write_reasons([*lines, "x" * MOST])
    assert len(message) == MOST
    assert all(isinstance(each, str) for each in read_reasons(message) + read_reasons(b"why\n" + noise))


def test_a_predecessor_is_told_until_somebody_else_speaks_to_it(line):
    ours, its = line
    tell_predecessor(["nobody waits"])
    heed_predecessor(environ(its.fileno()))
    tell_predecessor(["a", "b"])
    assert read_reasons(ours.recv(MOST)) == ("a", "b")
    forget_predecessor()
    tell_predecessor(["c"])
    assert sys.excepthook is sys.__excepthook__
    with pytest.raises(BlockingIOError):
        ours.recv(MOST)


def test_one_that_has_gone_is_no_hindrance(line):
    ours, its = line
    heed_predecessor(environ(its.fileno()))
    ours.close()
    tell_predecessor(["to nobody"])


NOBODY = ["", "{}", "[]", "1", '{"channel": "x"}', '{"channel": -1}', '{"channel": 99999999999}', '{"channel": 2}']


@pytest.mark.parametrize("text", NOBODY)
def test_a_variable_that_was_meant_for_somebody_else_is_nobody(text):
    heed_predecessor({HANDOVER: text})
    heed_predecessor({})
    assert last_words._predecessor is None


def test_a_fault_is_told_and_printed_as_ever(line):
    ours, its = line
    program = "import os; from gemd.system.last_words import *; heed_predecessor(os.environ); 1 / 0"
    command = [sys.executable, "-c", program]
    run = subprocess.run(
        command,
        env={**os.environ, **environ(its.fileno())},
        pass_fds=[its.fileno()],
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert read_reasons(ours.recv(MOST)) == ("a fault of the program itself: ZeroDivisionError: division by zero",)
