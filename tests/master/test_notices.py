"""The real ones, with real files and sockets: who owns the pid file and the control socket, and who may speak."""

import contextlib
import os
import select
import signal
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemd.master.control import bind_control
from gemd.master.handover import BYE, GO, READY, Channel, Handover
from gemd.master.launch import Launch
from gemd.master.notices import DaemonNotices
from gemd.master.report import Outcome
from gemd.system.last_words import read_reasons
from gemd.system.pid_file import lock_pid_file


class Notes:
    """A notifier that keeps what it was to say."""

    def __init__(self):
        self.said = []
        self.variables = {}

    def __getattr__(self, name):
        def say(*what):
            self.said.append((name, *what))

        return say


class Folder:
    """Where a pid file and a control socket are."""

    def __init__(self, path):
        self.path = path
        self.pid_path, self.control_path = path / "gemd.pid", path / "control"

    def files(self):
        return sorted(path.name for path in self.path.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def make(folder):
    """Notices as they are made at the start; for a successor, with the other end of its channel as `.predecessor`."""
    made = []

    def make(*, succeeds=False, predecessor=None, has_files=True, generation=None):
        handover = other = None
        generation = generation or FakeGeneration()
        if succeeds:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            other = Channel(ours)
            handover = Handover(predecessor or os.getpid(), "/", its.detach(), (), None, None)
        pid_file = lock_pid_file(folder.pid_path) if has_files else None
        control = bind_control(str(folder.control_path), select.poll()) if has_files else None
        notes = Notes()
        notices = DaemonNotices(
            generation, FakeLoader(), Path("/"), notes, {"GEMD_WORKERS": "3"}, pid_file, control, handover, Launch()
        )
        made.append((notices, other))
        return SimpleNamespace(notices=notices, notes=notes, predecessor=other, control=control, pid_file=pid_file)

    yield make
    for notices, other in made:
        notices._hang_up()
        for part in (notices._control, notices._pid_file):
            if part is not None:
                with contextlib.suppress(OSError):  # the story has closed it
                    part.close()
        if other is not None and other.is_open:
            other.close()


def words(channel):
    heard = []
    while (word := channel.hear()) is not None:
        heard.append(word)
        if not word:
            break
    return heard


def fake_successor():
    """A new master that was started, and its end of the channel."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return SimpleNamespace(pid=4242, channel=Channel(ours)), Channel(its)


def test_the_first_workers_serve(make, folder):
    made = make()
    assert folder.files() == ["control"]
    made.notices.announce()
    assert folder.pid_path.read_text() == f"{os.getpid()}\n"
    assert made.notes.said == [("ready",)]


def test_a_pid_file_that_can_not_be_written_is_a_complaint_and_no_more(make, folder, complaints):
    made = make()
    made.pid_file.path = folder.path / "none" / "gemd.pid"
    made.notices.announce()
    assert "can't write the pid file" in complaints()[0]
    assert made.notes.said == [("ready",)]


def test_it_may_have_none_of_it_all(make):
    made = make(has_files=False)
    made.notices.announce()
    assert made.notices.commands() == []
    made.notices.reopen_predecessor()
    assert not made.notices.has_predecessor()
    made.notices.close(is_succeeded=False)


def test_an_end_removes_its_files(make, folder):
    made = make()
    made.notices.announce()
    made.notices.close(is_succeeded=False)
    assert folder.files() == []


def test_an_end_before_anything_served_removes_the_socket(make, folder):
    make().notices.close(is_succeeded=False)
    assert folder.files() == []


def test_one_that_is_succeeded_leaves_its_files_to_the_new_one(make, folder):
    made = make()
    made.notices.announce()
    made.notices.close(is_succeeded=True)
    assert folder.files() == ["control", "gemd.pid"]


# In the old master


def test_retiring_gives_the_word_to_the_new_one(make):
    made = make()
    made.notices.announce()
    successor, its = fake_successor()
    made.notices.retire(successor)
    assert made.notes.said == [("ready",), ("main_pid", 4242)]
    assert words(its) == [GO]
    made.notices.report("draining", is_alive=True)
    made.notices.announce_reload(is_over=True)
    assert len(made.notes.said) == 2
    its.close()
    successor.channel.close()


def test_a_new_one_that_fails_gives_it_back(make, folder):
    made = make()
    made.notices.announce()
    successor, its = fake_successor()
    made.notices.retire(successor)
    folder.pid_path.write_text("4242\n")
    made.notices.resume()
    assert folder.pid_path.read_text() == f"{os.getpid()}\n"
    assert made.notes.said[2:] == [("main_pid", os.getpid()), ("ready",)]
    made.notices.report("serving", is_alive=True)
    assert made.notes.said[4:] == [("status", "serving"), ("alive",)]
    its.close()
    successor.channel.close()


def test_one_that_retires_hears_no_commands(make, folder):
    made = make()
    made.notices.announce()
    successor, its = fake_successor()
    made.notices.retire(successor)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(folder.control_path))
        caller.sendall(b'{"command": "status"}\n')
        assert made.notices.commands() == []
        made.notices.resume()  # the new one has failed
        (command,) = made.notices.commands()
        command.succeed()
    its.close()
    successor.channel.close()


# In the new master


def test_a_new_one_says_that_it_serves_and_waits_for_its_word(make):
    made = make(succeeds=True)
    made.notices.report("starting", is_alive=False)
    made.notices.announce()
    assert words(made.predecessor) == [READY]
    assert made.notes.said == []
    made.predecessor.say(GO)
    made.notices.report("serving", is_alive=True)
    assert made.notes.said == [("ready",), ("status", "serving"), ("alive",)]
    made.notices.report("serving", is_alive=True)
    assert made.notes.said.count(("ready",)) == 1


def test_a_new_one_that_will_never_serve_says_why(make):
    made = make(succeeds=True)
    nothing = SimpleNamespace(listeners=[])
    made.notices.announce_stop(nothing, "no workers\nand no hope")
    assert read_reasons(made.predecessor.hear()) == ("no workers", "and no hope")
    made.notices.announce_stop(nothing)
    assert made.predecessor.hear() is None


def test_it_takes_the_word_when_the_old_one_is_gone(make):
    made = make(succeeds=True)
    made.notices.announce()
    made.predecessor.close()
    made.notices.report("serving", is_alive=True)
    assert made.notes.said == [("ready",), ("status", "serving"), ("alive",)]


def test_once_succeeded_itself_it_is_silent_though_its_predecessor_is_gone(make):
    made = make(succeeds=True)
    made.notices.announce()
    made.predecessor.say(GO)
    made.notices.report("serving", is_alive=True)
    made.predecessor.close()
    successor, its = fake_successor()
    made.notices.retire(successor)
    before = list(made.notes.said)
    for _ in range(3):
        made.notices.report("draining", is_alive=True)
    assert made.notes.said == before
    its.close()
    successor.channel.close()


def test_once_succeeded_itself_it_is_silent_even_if_it_had_not_heard_its_word_yet(make):
    made = make(succeeds=True)
    made.notices.announce()
    made.predecessor.say(GO)
    successor, its = fake_successor()
    made.notices.retire(successor)
    made.notices.report("draining", is_alive=True)
    assert ("alive",) not in made.notes.said
    its.close()
    successor.channel.close()


def test_one_that_never_served_takes_nothing_of_the_old_ones_along(make, folder):
    old = make()
    old.notices.announce()
    new = make(succeeds=True, has_files=False)
    new.notices._control, new.notices._pid_file = old.control, old.pid_file  # shared through exec
    new.notices.close(is_succeeded=False)
    assert folder.files() == ["control", "gemd.pid"]
    assert words(new.predecessor)[0] == BYE


def test_one_that_has_served_removes_what_is_its_own_by_then(make, folder):
    made = make(succeeds=True)
    made.notices.announce()
    made.notices.close(is_succeeded=False)
    assert folder.files() == []
    assert words(made.predecessor) == [READY, BYE, b""]


def test_the_old_one_is_told_of_new_logs_and_known_to_drain(make):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.write(writer, b"blocked")
        os._exit(0 if signal.sigtimedwait([signal.SIGUSR1], 30) else 1)
    os.read(reader, 10)
    os.close(reader)
    os.close(writer)
    made = make(succeeds=True, predecessor=pid)
    assert made.notices.has_predecessor()
    made.notices.reopen_predecessor()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not made.notices.has_predecessor()
    made.notices.reopen_predecessor()  # nobody is hit


def test_a_predecessor_that_was_gone_at_once_is_none(make):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    made = make(succeeds=True, predecessor=pid)
    assert not made.notices.has_predecessor()
    made.notices.reopen_predecessor()


# In a worker


def test_a_worker_keeps_nothing_of_it(make, folder, tmp_path):
    mine, other = FakeGeneration(), FakeGeneration()
    made = make(succeeds=True, generation=mine)
    made.notices.announce()
    load(made.notices, other)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        made.notices.let_go(mine)
        targets = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if is_open(fd)]
        is_clean = not [target for target in targets if "pidfd" in target or str(tmp_path) in target]
        os.write(writer, b"yes" if is_clean and other.kept == [mine] and not mine.kept else b"no")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"yes"
    os.close(reader)
    os.close(writer)


def load(notices, generation):
    """A child has found it."""
    assert notices.loading._take(Outcome(generation), None) is generation


class FakeLoader:
    def find(self, current):
        raise NotImplementedError

    def make(self, found, current):
        return found.content


class FakeGeneration:
    def __init__(self):
        self.kept = []
        self.hosts = ()

    def close_all_but(self, kept):
        self.kept.append(kept)


def is_open(descriptor):
    return os.path.lexists(f"/proc/self/fd/{descriptor}")


# Generations and logs


def test_what_only_a_former_or_failed_generation_has_is_closed(make):
    former, current, failed = FakeGeneration(), FakeGeneration(), FakeGeneration()
    made = make(has_files=False, generation=former)
    current.logs = SimpleNamespace(use=lambda: None)
    load(made.notices, current)
    made.notices.adopt(current, former)
    assert former.kept == [current]
    load(made.notices, failed)
    made.notices.discard(failed, current)
    assert failed.kept == [current]
    made.notices.close(is_succeeded=False)
    assert current.kept == [None]


def test_listening_ends_with_the_service(make):
    made = make(has_files=False)
    closed = []
    listeners = [SimpleNamespace(close=lambda: closed.append(1))] * 2
    made.notices.announce_stop(SimpleNamespace(listeners=listeners))
    assert (made.notes.said, closed) == ([("stopping",)], [1, 1])


def test_the_end_ends_what_is_under_way(make):
    made = make(has_files=False)
    ended = []
    for task in (made.notices.loading, made.notices.reopening):
        task._report = SimpleNamespace(end=lambda: ended.append(1))
    made.notices.close(is_succeeded=False)
    assert ended == [1, 1]
