"""What a worker hears from its master, and what time it leaves for what."""

import contextlib
import os
import resource
import socket
import threading
from types import SimpleNamespace

import pytest

from gemd.config.settings import Log
from gemd.shared.channel import send_files
from gemd.system.logs import Logs
from gemd.worker import main
from gemd.worker.main import app_timeout, confine_scripts, exit_timeout, receive_logs


@pytest.fixture
def channel():
    """The master's end and the worker's."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ours, its
    ours.close()
    its.close()


@pytest.fixture
def worker(tmp_path):
    """A generation with both logs in files."""
    logs = Logs(Log(access=str(tmp_path / "access"), error=str(tmp_path / "error")))
    yield SimpleNamespace(logs=logs)
    logs.close_all_but(None)


@pytest.fixture
def rotated(tmp_path):
    """New files of these names, as the master opens them; they are closed in the end."""
    opened = []

    def rotated(*names):
        new = [os.open(tmp_path / f"{name}.new", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) for name in names]
        opened.extend(new)
        return new

    yield rotated
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def hand_out(channel, tmp_path):
    """Send the worker these files, as those that have such names."""

    def hand_out(names, descriptors):
        send_files(channel[0], [str(tmp_path / name) for name in names], descriptors)

    return hand_out


def open_descriptors():
    return sorted(map(int, os.listdir("/proc/self/fd")))


def test_both_logs_go_to_the_new_files(worker, channel, hand_out, rotated, tmp_path):
    worker.logs.access.write("old")
    hand_out(["access", "error"], rotated("access", "error"))
    before = open_descriptors()
    assert receive_logs(worker, channel[1])
    assert open_descriptors() == before
    worker.logs.access.write("a request")
    worker.logs.error.write("an error")
    assert (tmp_path / "access").read_text() == "old\n"
    assert (tmp_path / "access.new").read_text() == "a request\n"
    assert (tmp_path / "error.new").read_text() == "an error\n"


def test_the_order_of_the_names_is_that_of_the_descriptors(worker, channel, hand_out, rotated, tmp_path):
    hand_out(["error", "access"], rotated("error", "access"))
    assert receive_logs(worker, channel[1])
    worker.logs.access.write("a request")
    assert (tmp_path / "access.new").read_text() == "a request\n"


def test_a_log_that_this_worker_does_not_have_is_closed(worker, channel, hand_out, rotated, tmp_path):
    hand_out(["other", "error"], rotated("other", "error"))
    before = open_descriptors()
    assert receive_logs(worker, channel[1])
    assert open_descriptors() == before
    worker.logs.error.write("an error")
    assert (tmp_path / "error.new").read_text() == "an error\n"


def test_messages_are_told_apart(worker, channel, hand_out, rotated, tmp_path):
    hand_out(["access"], rotated("one"))
    hand_out(["access"], rotated("two"))
    assert receive_logs(worker, channel[1])
    worker.logs.access.write("first")
    assert receive_logs(worker, channel[1])
    worker.logs.access.write("second")
    assert (tmp_path / "one.new").read_text() == "first\n"
    assert (tmp_path / "two.new").read_text() == "second\n"


def test_what_is_received_does_not_survive_exec(worker, channel, hand_out, rotated):
    hand_out(["access"], rotated("access"))
    assert receive_logs(worker, channel[1])
    assert not os.get_inheritable(worker.logs.access.sink.fileno())


def test_a_worker_without_a_free_descriptor_goes_on(worker, channel, hand_out, rotated, tmp_path):
    hand_out(["access", "error"], rotated("access", "error"))
    with no_free_descriptor():
        assert receive_logs(worker, channel[1])
    worker.logs.access.write("a request")
    assert (tmp_path / "access").read_text() == "a request\n"


@contextlib.contextmanager
def no_free_descriptor():
    """Every descriptor below the limit is open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(open_descriptors()) + 1, before[1]))
    fillers = []
    try:
        with contextlib.suppress(OSError):
            while True:
                fillers.append(os.dup(0))
        yield
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_log_of_another_generation_stays_where_it_is(worker, channel, rotated, tmp_path):
    """The new one logs to another file by now, and this one drains."""
    send_files(channel[0], [str(tmp_path / "access.of-another")], rotated("access"))
    assert receive_logs(worker, channel[1])
    worker.logs.access.write("a request")
    assert (tmp_path / "access").read_text() == "a request\n"
    assert (tmp_path / "access.new").read_text() == ""


def test_the_end_of_the_channel_is_the_end_of_the_master(worker, channel):
    channel[0].close()
    assert not receive_logs(worker, channel[1])


@pytest.mark.parametrize(("stop", "seconds"), [(30.0, 26.0), (10.0, 6.0), (4.0, 2.0), (1.0, 0.5)])
def test_applications_have_what_the_master_leaves(stop, seconds):
    assert app_timeout(stop) == seconds


@pytest.mark.parametrize(
    ("left", "worker", "seconds"),
    [(25.5, 60.0, 26.5), (25.5, 30.0, 15.0), (-0.5, 30.0, 1.0), (-5.0, 30.0, 1.0), (9.0, 1.0, 1.0)],
)
def test_exit_handlers_have_what_answers_have_left(left, worker, seconds):
    assert exit_timeout(left, worker) == seconds


def test_scripts_are_confined_by_rules_made_for_this_worker(monkeypatch):
    given = []
    monkeypatch.setattr(main.SCRIPT_THREADS, "confine", given.append)
    confine_scripts(None)
    assert given == []
    made = SimpleNamespace(restrict_thread=lambda: None)
    confine_scripts(SimpleNamespace(make_ruleset=lambda: made))
    assert given == [made.restrict_thread]


@pytest.mark.parametrize(("error", "is_logged"), [(ValueError("x\ny"), True), (SystemExit(3), False)])
def test_what_ends_a_thread_is_logged(caplog, monkeypatch, error, is_logged):
    def fail():
        raise error

    monkeypatch.setattr(threading, "excepthook", main.log_thread_fault)
    thread = threading.Thread(target=fail, name="its own")
    thread.start()
    thread.join()
    assert ("a fault in the thread its own" in caplog.text) is is_logged
    assert ("x\\x0ay" in caplog.text) is is_logged
