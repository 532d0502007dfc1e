"""A task from its beginning to its end, with children that are forked, and others that can't be."""

import contextlib
import errno
import os
import select
import signal
import time
from pathlib import Path

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.process import ForkingProcessControl
from gemd.master.report import Outcome, TaskError, do
from gemd.master.task import Task
from gemd.system.attempt import attempt
from gemd.system.process import become_subreaper
from gemd.system.signals import SignalQueue
from tests.support.waiting import LONGEST

from .scripted import make_generation

GENERATION = make_generation(1, timeouts={"start": 7})
WHAT = "it could not be done"


@pytest.fixture
def processes():
    control = ForkingProcessControl(select.poll(), SignalQueue((signal.SIGCHLD,)), None, lambda _: None)
    yield control
    for child in control._children.values():
        child.kill()
    while control._children:
        control.reap()
    control._signals.close()
    become_subreaper(False)


def result(task, processes, now=0.0):
    """What comes of it in the end."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        processes.reap()
        if (result := task.poll(now)) is not None:
            return result
        processes.sleep(0.1)
    raise AssertionError("nothing came of it")


def hang(_generation):
    with attempt("x could not be read"):
        while True:
            signal.pause()


def test_it_is_done_in_a_child_and_taken_here(processes):
    task = Task(
        WHAT,
        lambda generation: Outcome([generation.number, os.getpid()]),
        lambda found, generation: [*found.content, generation.number, os.getpid()],
    )
    for _ in range(2):  # again and again
        assert task.poll(0.0) is None
        task.begin(GENERATION, processes, 0.0)
        number, pid, same, ours = result(task, processes)
        assert (number, same, ours) == (1, 1, os.getpid())
        assert pid != ours


def wait_until_tried(task, processes):
    end = time.monotonic() + LONGEST
    while task._report.attempt == WHAT:
        assert time.monotonic() < end
        processes.sleep(0.1)
        assert task.poll(0.0) is None


def test_one_that_is_late_is_ended_and_says_at_what_it_was(processes):
    task = Task(WHAT, hang, None)
    task.begin(GENERATION, processes, 100.0)
    wait_until_tried(task, processes)
    assert task.poll(106.9) is None
    with pytest.raises(TaskError, match=r"^x could not be read within 7 s$"):
        task.poll(107.0)
    assert task.poll(200.0) is None
    wait_until_none_is_left(processes)


def wait_until_none_is_left(processes):
    end = time.monotonic() + LONGEST
    while processes._children:
        assert time.monotonic() < end
        processes.sleep(0.1)
        processes.reap()


def test_what_is_done_in_time_counts_even_if_nobody_looked(processes):
    task = Task(WHAT, lambda _: Outcome("done"), lambda found, _: found.content)
    task.begin(GENERATION, processes, 0.0)
    wait_until_none_is_left(processes)
    assert task.poll(1000.0) == "done"


def test_one_that_is_cancelled_is_forgotten(processes):
    task = Task(WHAT, hang, None)
    task.begin(GENERATION, processes, 0.0)
    task.cancel()
    task.cancel()
    assert task.poll(1000.0) is None
    wait_until_none_is_left(processes)


@pytest.mark.parametrize("end", [lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_one_that_ends_of_itself(processes, end):
    def work(_):
        with attempt("x could not be read"):
            end()

    task = Task(WHAT, work, None)
    task.begin(GENERATION, processes, 0.0)
    ends = "(ended with exit code 3|was killed by SIGKILL)"
    with pytest.raises(TaskError, match=rf"^x could not be read: the process that tried it {ends}$"):
        result(task, processes)
    assert task.poll(0.0) is None


def test_what_can_not_be_taken_is_over(processes):
    def refuse(found, generation):
        raise TaskError("no")

    task = Task(WHAT, lambda _: Outcome(1), refuse)
    task.begin(GENERATION, processes, 0.0)
    with pytest.raises(TaskError, match=r"^no$"):
        result(task, processes)
    assert task.poll(0.0) is None


def test_without_a_process_it_can_not_begin(processes, monkeypatch):
    def fail(*_):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "spawn_child", fail)
    task = Task(WHAT, hang, None)
    with pytest.raises(TaskError, match=r"^it could not be done: no process can be started for it: Resource temp"):
        task.begin(GENERATION, processes, 0.0)
    assert task.poll(1000.0) is None


def test_signals_for_the_whole_group_are_not_its_own(processes):
    """Ctrl-C in a terminal, or `pkill -HUP gemd`; but TERM ends it."""
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN)
    task = Task(WHAT, hang, None)
    task.begin(GENERATION, processes, 0.0)
    wait_until_tried(task, processes)
    (pid,) = processes._children
    for number in numbers:
        os.kill(pid, number)
    os.kill(pid, signal.SIGTERM)
    with pytest.raises(TaskError, match=r"was killed by SIGTERM$"):
        result(task, processes)


def test_what_it_starts_ignores_no_signal(processes):
    """It would inherit that, and not what takes a signal."""
    task = Task(WHAT, lambda _: Outcome(_read_status("SigIgn", "SigBlk")), lambda found, _: found.content)
    task.begin(GENERATION, processes, 0.0)
    ignored, blocked = result(task, processes)
    (inherited,) = _read_status("SigIgn")
    assert (ignored & ~inherited, blocked) == (0, 0)


def _read_status(*names):
    lines = Path("/proc/self/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return [int(values[name], 16) for name in names]


def test_one_to_whom_nobody_listens_any_more_ends_without_a_fault(processes):
    reader, writer = os.pipe()
    master = os.getpid()

    def work():
        os.read(reader, 1)
        with attempt("x could not be read"):
            return Outcome(1)

    child = processes.spawn_child(GENERATION, lambda channel: do(work, channel, master))
    child.hang_up()
    os.write(writer, b"x")
    wait_until_none_is_left(processes)
    assert child.code == ExitCode.OK
    os.close(reader)
    os.close(writer)


def test_it_ends_with_the_master(tmp_path):
    """By its parent's death, whatever it waits for."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        control = ForkingProcessControl(select.poll(), SignalQueue((signal.SIGCHLD,)), None, lambda _: None)
        task = Task(WHAT, hang, None)
        task.begin(GENERATION, control, 0.0)
        wait_until_tried(task, control)
        os.write(writer, b"%d" % next(iter(control._children)))
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    pidfd = None
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(int(os.read(reader, 20)))
    os.close(reader)
    if pidfd is not None:
        assert select.select([pidfd], [], [], LONGEST)[0]
        os.close(pidfd)
