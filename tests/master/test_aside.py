"""Something done in a child."""

import os
import threading
import time

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.aside import do_aside
from gemd.system import process


def test_its_code_comes_back(capfd):
    parent = os.getpid()
    assert do_aside(lambda: ExitCode.BIND if os.getppid() == parent else ExitCode.OK) is ExitCode.BIND


def test_a_fault_is_a_traceback(capfd):
    assert do_aside(lambda: {}["fault"]) is ExitCode.INTERNAL
    assert "KeyError: 'fault'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda: os.kill(os.getpid(), 9), "was killed by SIGKILL"),
        (lambda: os._exit(0), "ended with exit code 0"),
        (lambda: os.fork() and os._exit(0), "ended with exit code 0"),
    ],
    ids=["by a signal", "by itself", "with one left"],
)
def test_a_child_that_ends_before_it_is_done_has_failed(end, said, capfd):
    assert do_aside(lambda: end() or time.sleep(2) or ExitCode.OK) is ExitCode.INTERNAL
    assert capfd.readouterr().err == (
        f"gemd: the process that tried all this {said} before it was done: an application may have ended it\n"
    )


def test_what_it_has_started_ends_as_well():
    reading, writing = os.pipe()

    def leave_one():
        if os.fork() == 0:
            os.setsid()
            os.fork()
            time.sleep(600)
        return ExitCode.OK

    assert do_aside(leave_one) is ExitCode.OK
    os.close(writing)
    assert os.read(reading, 1) == b"", "nobody has the other end any more"
    os.close(reading)
    process.become_subreaper(False)


def test_no_thread_is_waited_for():
    def leave_a_thread():
        threading.Thread(target=time.sleep, args=(600,)).start()
        return ExitCode.OK

    assert do_aside(leave_a_thread) is ExitCode.OK
