"""A start that has a time limit, in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.start_limit import start_limit
from gemd.system.last_words import MOST, read_reasons
from tests.support.waiting import LONGEST

PROGRAM = """
import sys
from gemd.master.start_limit import start_limit
from gemd.system.attempt import attempt
with start_limit(0.3):
    {attempt}open(sys.argv[1]).read()
"""
CASES = {
    "with attempt('the key could not be read'): ": "gemd: the key could not be read within 0.3 s\n",
    "": "gemd: what is needed could not be had within 0.3 s\n",
}


HEARD = """
import sys, time
from gemd.master.start_limit import hear_late, start_limit
hear_late(lambda text: bool(print(text.upper(), flush=True)) or {has_told})
with start_limit(0.3):
    time.sleep(600)
"""


@pytest.mark.parametrize("has_told", [True, False])
def test_who_wants_to_hears_of_it_before(has_told):
    command = [sys.executable, "-c", HEARD.replace("{has_told}", str(has_told))]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
    said = "what is needed could not be had within 0.3 s\n"
    assert (run.returncode, run.stdout) == (ExitCode.CONFIGURATION, said.upper())
    assert run.stderr == ("" if has_told else f"gemd: {said}")


@pytest.mark.parametrize(("attempt", "said"), CASES.items())
def test_what_never_answers_ends_the_process(tmp_path, attempt, said):
    os.mkfifo(tmp_path / "pipe")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{attempt}", attempt), tmp_path / "pipe"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    assert (run.returncode, run.stderr) == (ExitCode.CONFIGURATION, said)


def test_a_master_that_waits_for_this_one_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        program = PROGRAM.replace("{attempt}", next(iter(CASES)))
        heed = "import os; from gemd.system.last_words import heed_predecessor; heed_predecessor(os.environ)\n"
        subprocess.run(
            [sys.executable, "-c", heed + program, tmp_path / "pipe"],
            env={**os.environ, "GEMD_HANDOVER": json.dumps({"channel": its.fileno()})},
            pass_fds=[its.fileno()],
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=LONGEST,
        )
        assert read_reasons(ours.recv(MOST)) == ("the key could not be read within 0.3 s",)


def test_what_is_done_in_time_leaves_no_thread():
    """Not even one that the kernel alone still knows of."""
    before = set(os.listdir("/proc/self/task"))
    for _ in range(100):
        with start_limit(600):
            assert len(os.listdir("/proc/self/task")) == len(before) + 1
        assert set(os.listdir("/proc/self/task")) == before


def test_what_fails_leaves_none_either():
    before = threading.active_count()
    with pytest.raises(KeyError), start_limit(600):
        raise KeyError
    assert threading.active_count() == before
