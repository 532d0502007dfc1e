"""Something done in a child."""

import os
import threading
import time

from gemd.exit_codes import ExitCode
from gemd.master.aside import do_aside


def test_its_code_comes_back(capfd):
    parent = os.getpid()
    assert do_aside(lambda: ExitCode.BIND if os.getppid() == parent else ExitCode.OK) is ExitCode.BIND


def test_a_fault_is_a_traceback(capfd):
    assert do_aside(lambda: {}["fault"]) is ExitCode.INTERNAL
    assert "KeyError: 'fault'" in capfd.readouterr().err


def test_a_child_that_is_killed_has_failed():
    assert do_aside(lambda: os.kill(os.getpid(), 9) or ExitCode.OK) is ExitCode.INTERNAL


def test_no_thread_is_waited_for():
    def leave_a_thread():
        threading.Thread(target=time.sleep, args=(600,)).start()
        return ExitCode.OK

    assert do_aside(leave_a_thread) is ExitCode.OK
