"""Real processes: forked, told, reaped. What they do is trivial."""

import contextlib
import gc
import os
import select
import signal
import socket
import time

import pytest

from gemd.exit_codes import ExitCode
from gemd.master import process
from gemd.master.process import ForkingProcessControl
from gemd.shared.channel import receive_files, say_last_words
from gemd.system.process import become_subreaper
from gemd.system.signals import SignalQueue
from tests.support.processes import is_alive
from tests.support.waiting import LONGEST, wait_for

SIGNALS = (signal.SIGCHLD, signal.SIGUSR1, signal.SIGHUP)


@pytest.fixture
def make():
    """Process controls whose workers do what is given; the process is as before in the end."""
    made = []

    def make(work, let_go=lambda _: None, poll=None):
        made.append(ForkingProcessControl(poll or select.poll(), SignalQueue(SIGNALS), work, let_go))
        return made[-1]

    yield make
    for control in made:
        for child in control._children.values():
            child.kill()
        for pid in control._channels:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while control._channels or control._children:
            control.reap()
        control._signals.close()
    become_subreaper(False)
    gc.unfreeze()


@pytest.fixture
def pipe():
    """Where workers may write what they see."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def run_scripts(pipe):
    """A script host that has a script, which has left its session."""

    def run(channel, served):
        if os.fork() == 0:
            os.setsid()
            os.write(pipe[1], b"%d" % os.getpid())
            signal.pause()
        os.kill(os.getpid(), signal.SIGSTOP)
        return ExitCode.OK

    return run


def test_script_hosts_end_with_the_master_and_so_does_what_they_run(make, pipe):
    control = make(None)
    served, requests = socket.socketpair()
    with served, requests:
        host = control.spawn_host(None, served, run_scripts(pipe))
        script = int(os.read(pipe[0], 20))
        control.kill_hosts()
    assert host.code == -signal.SIGKILL
    assert host.channel.fileno() == -1
    wait_for(lambda: not is_alive(script), "its script to end")


def reap(control, count=1):
    """What has ended, when so many have."""
    ended, end = [], time.monotonic() + LONGEST
    while len(ended) < count:
        assert time.monotonic() < end, "nobody has ended"
        control.sleep(1.0)
        ended += control.reap()
    return ended


def wait_for_ever(*_):
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    while True:
        signal.pause()


def wait_for_the_master(generation, nr, row, channel):
    """Until its end of the channel is closed."""
    return ExitCode.OK if channel.recv(10) == b"" else ExitCode.INTERNAL


# Fork and reap


def test_a_worker_is_told_who_it_is_and_its_code_is_reaped(make, pipe):
    def work(generation, nr, row, channel):
        os.write(pipe[1], repr((generation, nr, row, os.getpid())).encode())
        return ExitCode.BIND

    control = make(work)
    pid = control.spawn("a generation", 3, 7)
    assert reap(control) == [(pid, ExitCode.BIND)]
    assert os.read(pipe[0], 100).decode() == repr(("a generation", 3, 7, pid))
    assert control.reap() == []


def test_its_last_words_are_those_of_whom_was_reaped_last(make):
    control = make(lambda _, nr, __, channel: say_last_words(channel, f"slot {nr}: why\nnot") or ExitCode.INTERNAL)
    first = control.spawn(None, 1, 1)
    assert reap(control) == [(first, ExitCode.INTERNAL)]
    assert control.last_words(first) == "slot 1: why not"
    silent = make(lambda *_: ExitCode.OK)
    second = silent.spawn(None, 2, 2)
    assert reap(silent) == [(second, ExitCode.OK)]
    assert silent.last_words(second) == silent.last_words(first) == ""
    control.reap()
    assert control.last_words(first) == ""


def test_work_that_fails_never_returns_to_the_master(make):
    def work(*_):
        os.close(2)  # its traceback is not ours to see
        raise RuntimeError("broken")

    control = make(work)
    pid = control.spawn(None, 0, 0)
    assert reap(control) == [(pid, ExitCode.INTERNAL)]


def test_one_that_is_killed_says_by_what(make):
    control = make(wait_for_ever)
    pids = [control.spawn(None, nr, nr) for nr in range(2)]
    control.kill(pids[0], signal.SIGKILL)
    control.kill(pids[1], signal.SIGTERM)
    assert sorted(reap(control, 2)) == sorted([(pids[0], -signal.SIGKILL), (pids[1], -signal.SIGTERM)])
    control.kill(pids[0], signal.SIGKILL)  # nobody is hit


def test_without_workers_there_is_nothing_to_reap(make):
    assert make(wait_for_ever).reap() == []


def test_a_fork_that_fails_leaves_nothing_open_and_signals_as_they_were(make, monkeypatch):
    control = make(wait_for_ever)
    before = os.listdir("/proc/self/fd"), signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def fail():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(process.os, "fork", fail)
    with pytest.raises(BlockingIOError):
        control.spawn(None, 0, 0)
    assert (os.listdir("/proc/self/fd"), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


def test_one_that_is_told_to_stop_in_its_first_instant_stops(make):
    def work(*_):
        queue = SignalQueue([signal.SIGTERM])
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return ExitCode.OK if select.select([queue], [], [], LONGEST)[0] else ExitCode.INTERNAL

    control = make(work)
    for nr in range(20):
        pid = control.spawn(None, nr, nr)
        control.kill(pid, signal.SIGTERM)
        assert reap(control) == [(pid, ExitCode.OK)]


# What a worker has of its master


def test_signals_are_blocked_until_a_worker_can_obey_them_and_nobody_else_handles_them(make, pipe):
    def work(*_):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        are_default = all(signal.getsignal(number) == signal.SIG_DFL for number in SIGNALS)
        is_right = blocked >= {*SIGNALS, signal.SIGTERM, signal.SIGQUIT} and are_default
        return ExitCode.OK if is_right and signal.set_wakeup_fd(-1) == -1 else ExitCode.INTERNAL

    control = make(work)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    control.spawn(None, 0, 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert reap(control)[0][1] == ExitCode.OK


def test_what_is_only_the_masters_is_let_go_of_in_the_worker(make, pipe):
    control = make(
        lambda *_: ExitCode(os.write(pipe[1], b"work") - 4),
        let_go=lambda generation: os.write(pipe[1], f"let go of {generation}, ".encode()),
    )
    control.spawn("one", 0, 0)
    assert reap(control)[0][1] == ExitCode.OK
    assert os.read(pipe[0], 100) == b"let go of one, work"


def test_a_channel_ends_with_the_masters_end_though_other_workers_live(make):
    control = make(wait_for_the_master)
    first, second = (control.spawn(None, nr, nr) for nr in range(2))
    control._channels[first].close()
    assert reap(control) == [(first, ExitCode.OK)]
    assert list(control._channels) == [second]


def test_log_files_reach_every_worker(make, tmp_path):
    def work(generation, nr, row, channel):
        select.select([channel], [], [], LONGEST)
        paths, descriptors = receive_files(channel)
        os.write(descriptors[0], " ".join(paths).encode() + b"\n")
        return ExitCode.OK

    control = make(work)
    for nr in range(2):
        control.spawn(None, nr, nr)
    with (tmp_path / "access").open("a") as access, (tmp_path / "error").open("a") as error:
        control.hand_out(["/access", "/error"], [access.fileno(), error.fileno()])
    assert [code for _, code in reap(control, 2)] == [ExitCode.OK] * 2
    assert (tmp_path / "access").read_text() == "/access /error\n" * 2


def test_one_that_does_not_read_its_messages_holds_nobody_up(make):
    control = make(wait_for_ever)
    control.spawn(None, 0, 0)
    for _ in range(10_000):
        control.hand_out(["access"], [0])


# Sleep and signals


def test_a_sleep_ends_with_a_signal(make):
    control = make(wait_for_ever)
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGHUP)
    begin = time.monotonic()
    assert set(control.sleep(LONGEST)) == {signal.SIGUSR1, signal.SIGHUP}
    assert time.monotonic() - begin < LONGEST / 2
    assert control.sleep(0.0) == []


def test_a_sleep_ends_with_the_end_of_a_worker(make):
    control = make(lambda *_: ExitCode.OK)
    control.spawn(None, 0, 0)
    begin = time.monotonic()
    assert control.sleep(LONGEST) == [signal.SIGCHLD]
    assert time.monotonic() - begin < LONGEST / 2


def test_a_sleep_ends_when_others_have_something_to_do(make, pipe):
    poll = select.poll()
    poll.register(pipe[0], select.POLLIN)
    control = make(wait_for_ever, poll=poll)
    os.write(pipe[1], b"now")
    begin = time.monotonic()
    assert control.sleep(LONGEST) == []
    assert time.monotonic() - begin < LONGEST / 2


def test_a_sleep_ends_by_itself(make):
    control = make(wait_for_ever)
    begin = control.monotonic()
    assert control.sleep(0.05) == []
    assert 0.04 < control.monotonic() - begin < LONGEST


# Orphans


def test_what_a_worker_leaves_behind_is_ended(make, pipe):
    def work(*_):
        if os.fork() == 0:
            os.setsid()
            os.write(pipe[1], f"{os.getpid()}".encode())
            wait_for_ever()
        return ExitCode.OK

    control = make(work)
    control.spawn(None, 0, 0)
    reap(control)
    orphan = int(os.read(pipe[0], 20))
    control.kill_orphans(())
    assert not os.path.exists(f"/proc/{orphan}")


def test_those_to_keep_live_on(make):
    control = make(wait_for_ever)
    pid = control.spawn(None, 0, 0)
    control.kill_orphans([pid])
    control.sleep(0.05)
    assert control.reap() == []
    control.kill(pid, signal.SIGKILL)
    assert reap(control) == [(pid, -signal.SIGKILL)]


# Children that are no workers


def answer(channel):
    channel.sendall(b"done")
    return ExitCode.BIND


def wait_for_child(control, child):
    end = time.monotonic() + LONGEST
    while child.code is None:
        assert time.monotonic() < end, "it has not ended"
        control.sleep(1.0)
        assert control.reap() == []  # it is no worker
    child.hang_up()
    return child.code


def test_a_child_does_its_task_and_its_code_is_known(make):
    poll = select.poll()
    control = make(wait_for_ever, poll=poll)
    child = control.spawn_child(None, answer)
    assert child.code is None
    assert select.select([child.channel], [], [], LONGEST)[0]
    assert child.channel.recv(10) == b"done"
    assert wait_for_child(control, child) == ExitCode.BIND
    child.kill()  # nobody is hit
    control.sleep(0)  # its end has woken us twice, by its channel and by a signal
    assert poll.poll(0) == []


def test_a_child_that_is_killed_is_reaped_later(make):
    control = make(wait_for_ever)
    child = control.spawn_child(None, wait_for_ever)
    child.kill()
    child.kill()
    assert wait_for_child(control, child) == -signal.SIGKILL


def test_what_a_child_says_ends_a_sleep(make):
    control = make(wait_for_ever)

    def speak(channel):
        channel.sendall(b"a word")
        wait_for_ever()

    child = control.spawn_child(None, speak)
    begin = time.monotonic()
    assert control.sleep(LONGEST) == []
    assert time.monotonic() - begin < LONGEST / 2
    assert child.channel.recv(10) == b"a word"


def test_children_that_can_not_be_ended_do_not_pile_up(make):
    control = make(wait_for_ever)
    children = [control.spawn_child(None, wait_for_ever) for _ in range(process._MAX_CHILDREN)]
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="4 earlier ones wait for something"):
        control.spawn_child(None, answer)
    assert os.listdir("/proc/self/fd") == before
    children[0].kill()
    wait_for_child(control, children[0])
    assert wait_for_child(control, control.spawn_child(None, answer)) == ExitCode.BIND


def test_children_are_no_orphans(make):
    control = make(wait_for_ever)
    child = control.spawn_child(None, wait_for_ever)
    control.kill_orphans(())
    control.sleep(0.05)
    control.reap()
    assert child.code is None


def test_a_child_has_neither_the_masters_signals_nor_its_channels(make, pipe):
    control = make(wait_for_ever, let_go=lambda generation: os.write(pipe[1], f"let go of {generation}".encode()))
    others = [control.spawn(None, 0, 0), control.spawn_child("one", wait_for_ever).pid]
    open_ends = {os.readlink(f"/proc/self/fd/{c.fileno()}") for c in control._channels.values()}
    open_ends |= {os.readlink(f"/proc/self/fd/{c.channel.fileno()}") for c in control._children.values()}
    assert len(open_ends) == len(others)

    def look(channel):
        targets = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if is_there(fd)}
        are_default = all(signal.getsignal(number) == signal.SIG_DFL for number in SIGNALS)
        is_right = are_default and signal.set_wakeup_fd(-1) == -1 and not targets & open_ends
        return ExitCode.OK if is_right else ExitCode.INTERNAL

    assert wait_for_child(control, control.spawn_child("two", look)) == ExitCode.OK
    assert b"let go of two" in os.read(pipe[0], 100)


def is_there(descriptor):
    return os.path.lexists(f"/proc/self/fd/{descriptor}")


def test_a_worker_has_not_the_channel_of_a_child(make):
    """Else the child would not see the master's end."""
    control = make(wait_for_ever)
    child = control.spawn_child(None, lambda channel: ExitCode.OK if channel.recv(1) == b"" else ExitCode.INTERNAL)
    control.spawn(None, 0, 0)
    child.hang_up()
    assert wait_for_child(control, child) == ExitCode.OK
