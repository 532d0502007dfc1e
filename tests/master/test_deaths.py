"""What is said of workers that have ended, without a master."""

import pytest

from gemd.master.deaths import Deaths, describe_work
from gemd.master.workers import Worker
from gemd.shared.scoreboard import Scoreboard
from gemd.shared.under_way import MAX_SHOWN

from .scripted import ScriptedProcessControl

SEGV, KILL = -11, -9


@pytest.fixture
def processes():
    return ScriptedProcessControl(Scoreboard(1))


@pytest.fixture
def deaths(processes):
    return Deaths(processes)


def end(deaths, *urls, code=SEGV, now=100.0):
    return deaths.report(Worker(nr=1, pid=7, row=0, generation=1, born=now - 2.5), code, urls, now)


# How it ended, and what the line says of it.
CAUSES = {
    "exit code": (0, "ended with exit code 0"),
    "another exit code": (5, "ended with exit code 5"),
    "signal": (SEGV, "was killed by SIGSEGV"),
    "signal that has no name": (-40, "was killed by signal 40"),
    "killed": (KILL, "was killed by SIGKILL"),
}


@pytest.mark.parametrize(("code", "cause"), CAUSES.values(), ids=CAUSES)
def test_causes(deaths, complaints, code, cause):
    assert end(deaths, code=code) == cause
    assert complaints() == [f"worker 2 (pid 7) {cause} after 2.5 s"]


def test_what_it_has_said_is_for_who_waits_since_the_log_has_it(deaths, processes, complaints):
    processes.says = "no such user"
    assert end(deaths, code=5) == "ended with exit code 5: no such user"
    assert complaints() == ["worker 2 (pid 7) ended with exit code 5 after 2.5 s"]


# By what a worker was killed, so many seconds after the kernel's counter rose, and whether that may be why.
WANT_OF_MEMORY = {
    "at once": (KILL, 0.0, True),
    "a little later": (KILL, 4.0, True),
    "long ago": (KILL, 6.0, False),
    "another signal": (SEGV, 0.0, False),
}


@pytest.mark.parametrize(("code", "later", "is_why"), WANT_OF_MEMORY.values(), ids=WANT_OF_MEMORY)
def test_want_of_memory(deaths, processes, code, later, is_why):
    deaths.look(50.0)
    processes.oom_kills = 1
    deaths.look(60.0)
    deaths.look(60.0 + later)
    assert ("for want of memory" in end(deaths, code=code, now=60.0 + later)) is is_why


def test_those_killed_before_the_start_are_none_of_its_workers(processes):
    processes.oom_kills = 5
    deaths = Deaths(processes)
    deaths.look(100.0)
    assert end(deaths, code=KILL) == "was killed by SIGKILL"


def test_a_url_over_which_several_have_ended_is_named_once_a_minute(deaths, complaints):
    for second in range(100, 220, 5):
        end(deaths, "localhost/boom", now=float(second))
    named = [line for line in complaints() if not line.startswith("worker")]
    text = 'workers ended within a minute while they were answering "localhost/boom", which may be the cause'
    assert named == [f"3 {text}", f"13 {text}"]


def test_it_is_named_whatever_else_they_were_answering(deaths, complaints):
    end(deaths, "localhost/a", "localhost/boom")
    end(deaths, "localhost/boom", "localhost/boom")
    end(deaths, "localhost/b")
    end(deaths, "localhost/b", "localhost/boom", "localhost/a")
    (named,) = [line for line in complaints() if not line.startswith("worker")]
    assert named.startswith('3 workers ended within a minute while they were answering "localhost/boom"')


def test_deaths_that_are_a_minute_apart_have_nothing_in_common(deaths, complaints):
    for moment in (100.0, 130.0, 161.0):
        end(deaths, "localhost/", now=moment)
    assert all(line.startswith("worker") for line in complaints())


def test_what_a_worker_says_that_is_spoilt_neither_forges_a_line_nor_fills_the_memory(deaths, complaints):
    end(deaths, 'x" after 1 s\nworker 3\x1b[2J\u202e')
    (line,) = complaints()
    assert line.endswith('answering "x\\x22 after 1 s\\x0aworker 3\\x1b[2J\\u202e"')
    for number in range(3000):
        end(deaths, f"localhost/{number}")
    assert len(deaths._over) == 1000


def test_what_was_under_way():
    assert describe_work([]) == ""
    assert describe_work(["a/", "b/", "a/"]) == ', while it was answering "a/", "b/"'
    assert describe_work(["a/"] * MAX_SHOWN) == ', while it was answering "a/" and perhaps more'
