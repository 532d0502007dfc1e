"""Signals at any moment from the first instruction to the last: none is lost, and none is fatal."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import LONGEST, wait_for

from .conftest import AS_ROOT

CHANGES = (signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD)
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
LATER = (*STOPS, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2)
NO_UTF8 = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def has_begun(pid: int) -> bool:
    """Whether a process has come to gemd's own first instruction: TERM is blocked, or has a handler."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk:", "SigCgt:"))]
    return any(mask & 1 << (signal.SIGTERM - 1) for mask in masks)


@pytest.fixture
def begin(capsule, tmp_path):
    """Start gemd, and return when it has begun to."""
    started = []

    def begin(**env):
        variables = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "gemd"), **env}
        log = tmp_path / f"log{len(started)}"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "gemd", "--dir", str(capsule), "--port", "0", *AS_ROOT]
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=variables)
        started.append(running)
        while not has_begun(running.pid):
            assert running.poll() is None
        return running, log

    yield begin
    for running in started:
        running.kill()  # one that has ended is not hit
        running.wait()


def play(running, dice):
    """Changes while it starts and serves, an end, and more of everything until it is gone."""
    end = time.monotonic() + dice.uniform(0.0, 0.6)
    while time.monotonic() < end:
        running.send_signal(dice.choice(CHANGES))
        time.sleep(dice.uniform(0.0, 0.05))
    running.send_signal(dice.choice(STOPS))
    end = time.monotonic() + LONGEST
    while running.poll() is None and time.monotonic() < end:
        running.send_signal(dice.choice(LATER))
        time.sleep(dice.uniform(0.0, 0.003))


@pytest.mark.parametrize("rounds", [6, pytest.param(150, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_moment_is_a_bad_one(begin, rounds):
    dice = random.Random(rounds)
    for _ in range(rounds):
        running, log = begin()
        play(running, dice)
        assert running.returncode == 0, log.read_text()
        assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("number", STOPS)
def test_it_obeys_what_it_was_told_before_it_could(begin, number):
    running, log = begin()
    running.send_signal(number)
    assert running.wait(LONGEST) == 0
    assert "stopping" in log.read_text()


def test_nor_is_it_lost_when_the_program_starts_again_in_utf8(begin):
    running, log = begin(**NO_UTF8)
    running.send_signal(signal.SIGTERM)
    assert running.wait(LONGEST) == 0
    assert "SIGTERM: stopping" in log.read_text()


def test_a_check_can_be_interrupted(capsule, tmp_path):
    """Though an application hangs as it is loaded."""
    there = tmp_path / "there"
    (tmp_path / "hanging.py").write_text(
        f"import pathlib, time\npathlib.Path({str(there)!r}).touch()\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-m", "gemd", "-t", "--app", "hanging:app", *AS_ROOT]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as checking:
        wait_for(there.exists, "the application to hang")
        checking.send_signal(signal.SIGINT)
        assert checking.stderr.read() == b""
        assert checking.wait(LONGEST) == -signal.SIGINT
