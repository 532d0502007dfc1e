"""What a child says: a scripted one, over a real channel; then the one that is forked, without the fork."""

import json
import os
import select
import signal
import socket

import pytest

from gemd.exit_codes import ExitCode
from gemd.master import report as module
from gemd.master.child import Child
from gemd.master.report import FAULT, Outcome, Report, TaskError, do
from gemd.system.attempt import attempt, report_attempts

START = "it could not be loaded"
TRYING = b'{"type": "trying", "text": "/etc/key.pem could not be read"}\n'
FOUND = b'{"type": "found", "content": {"a": [1, "\\udcff", null]}}\n'
OPENED = b'{"type": "opened"}\n'


class ScriptedChild(Child):
    """Says what it is told to say, and notes that it is killed."""

    def __init__(self):
        ours, self.its = socket.socketpair()
        ours.setblocking(False)
        self.poll = select.poll()
        super().__init__(2**22 + 1, ours, self.poll)
        self.is_killed = False

    def say(self, data, *descriptors):
        socket.send_fds(self.its, [data], list(descriptors))

    def end(self, code):
        self.its.close()
        self.code = code

    def kill(self):
        self.hang_up()
        self.is_killed = True


@pytest.fixture
def child():
    child = ScriptedChild()
    yield child
    child.hang_up()
    child.its.close()


@pytest.fixture
def report(child):
    report = Report(child, START)
    yield report
    report.end()


def refusal(report):
    with pytest.raises(TaskError) as caught:
        report.read()
    return caught.value.lines


def test_nothing_is_waited_for(report):
    assert report.read() is None
    assert report.attempt == START


def test_what_it_tries_and_what_it_found(child, report):
    child.say(TRYING)
    assert report.read() is None
    assert report.attempt == "/etc/key.pem could not be read"
    child.say(FOUND)
    assert report.read() == Outcome({"a": [1, "\udcff", None]}, [])


def test_byte_by_byte(child, report):
    for byte in TRYING + FOUND[:-1]:
        child.say(bytes([byte]))
        assert report.read() is None
    child.say(b"\n")
    assert report.read().content["a"][0] == 1


def test_descriptors_come_in_their_order(child, report, tmp_path):
    paths = [tmp_path / f"{nr}" for nr in range(100)]
    for path in paths:
        with path.open("w") as file:
            child.say(OPENED, file.fileno())
    child.say(FOUND)
    found = report.read()
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in found.descriptors] == list(map(str, paths))
    assert not any(os.get_inheritable(fd) for fd in found.descriptors)
    for fd in found.descriptors:
        os.close(fd)


def test_what_it_has_opened_is_closed_where_nothing_comes_of_it(child, report):
    child.say(OPENED, 0)
    before = os.listdir("/proc/self/fd")
    report.read()
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    report.end()
    assert child.is_killed
    assert len(os.listdir("/proc/self/fd")) == len(before) - 1  # and its channel


def test_a_descriptor_that_did_not_arrive_is_missed(child, report):
    child.say(OPENED)
    child.say(FOUND)
    assert refusal(report) == (f"{START}: too few descriptors are free",)


def test_a_refusal_has_its_lines(child, report):
    child.say(b'{"type": "refused", "lines": ["one", "two"]}\n')
    assert refusal(report) == ("one", "two")


def test_one_that_dies_is_named_by_what_it_tried(child, report):
    child.say(TRYING)
    child.end(-signal.SIGSEGV)
    assert refusal(report) == ("/etc/key.pem could not be read: the process that tried it was killed by SIGSEGV",)


@pytest.mark.parametrize("said", [b"", FOUND[:-1], FOUND[:5]])
def test_half_a_message_is_none(child, report, said):
    child.say(said or b"\n"[:0]) if said else None
    child.end(0)
    assert refusal(report) == (f"{START}: the process that tried it ended with exit code 0",)


def test_what_it_said_before_it_died_counts(child, report):
    child.say(TRYING + FOUND)
    child.end(-signal.SIGKILL)
    assert report.read().content == {"a": [1, "\udcff", None]}


def test_one_that_has_hung_up_is_waited_for_and_wakes_nobody(child, report):
    child.its.close()
    assert child.poll.poll(0)
    assert report.read() is None
    assert child.poll.poll(0) == []
    child.code = 3
    assert refusal(report) == (f"{START}: the process that tried it ended with exit code 3",)


NONSENSE = [
    b"\n",
    b"\xff\n",
    b"nonsense\n",
    b"[1]\n",
    b'{"type": "other"}\n',
    b'{"type": "trying"}\n',
    b'{"type": "trying", "text": 1}\n',
    b'{"type": "refused", "lines": []}\n',
    b'{"type": "refused", "lines": "text"}\n',
    b'{"type": "found"}\n',
    b"[" * 100_000 + b"\n",
]


@pytest.mark.parametrize("said", NONSENSE)
def test_nonsense_is_refused(child, report, said):
    child.say(said)
    (line,) = refusal(report)
    assert line.startswith("what a child of the master said can't be used: ")


def test_too_much_is_refused(child, report, monkeypatch):
    monkeypatch.setattr(module, "_MAX_SIZE", 1000)
    child.say(b"x" * 1001)
    assert refusal(report) == ("what a child of the master said can't be used: it is too much",)


def test_too_many_descriptors_are_refused(child, report, monkeypatch):
    monkeypatch.setattr(module, "_MAX_DESCRIPTORS", 3)
    for _ in range(4):
        child.say(OPENED, 0)
    assert refusal(report) == ("what a child of the master said can't be used: it is too much",)


# In the child


@pytest.fixture
def run(child, monkeypatch):
    """Have this process do a task as a child would; its exit code."""
    monkeypatch.setattr(module.process, "set_title", lambda _: None)
    monkeypatch.setattr(module.process, "die_with_parent", lambda *_: True)
    monkeypatch.setattr(module, "SignalQueue", lambda _: None)
    monkeypatch.setattr(module.signal, "pthread_sigmask", lambda *_: None)

    def run(work):
        try:
            return do(work, child.its, 1)
        finally:
            report_attempts(None)

    return run


def test_what_it_does_is_told(child, run, report, tmp_path):
    def work():
        with attempt("a could not be read"):
            assert report.read() is None
            assert report.attempt == "a could not be read"
        assert report.read() is None
        assert report.attempt == START
        with (tmp_path / "b").open("w") as file:
            return Outcome({"b": "\udcff"}, [os.dup(file.fileno())])

    assert run(work) is ExitCode.OK
    found = report.read()
    assert found.content == {"b": "\udcff"}
    assert os.readlink(f"/proc/self/fd/{found.descriptors[0]}") == str(tmp_path / "b")
    os.close(found.descriptors[0])


def test_why_it_can_not_be_done_is_told(run, report):
    def work():
        raise TaskError("one", "two\nand more")

    assert run(work) is ExitCode.OK
    assert refusal(report) == ("one", "two\nand more")


def test_a_fault_is_logged_and_told(run, report, complaints):
    with pytest.raises(KeyError):
        run(lambda: {}["a"])
    assert refusal(report) == (FAULT,)
    assert complaints() == ["a fault in a child of the master"]


def test_one_whose_master_is_gone_does_nothing(child, run, monkeypatch):
    monkeypatch.setattr(module.process, "die_with_parent", lambda *_: False)
    assert run(lambda: 1 / 0) is ExitCode.OK


def test_each_line_is_ascii(child, run):
    run(lambda: Outcome(["ü\n\u2028"]))
    said = child.channel.recv(1000)
    assert said.isascii()
    assert said.count(b"\n") == 2  # the first that nothing is tried yet
    line = said.splitlines()[-1]
    assert json.loads(line)["content"] == ["ü\n\u2028"]
