"""What a worker hears from its master, and what it says of itself."""

import contextlib
import os
import resource
import signal
import socket
from types import SimpleNamespace

import pytest

from gemd.config.settings import Log
from gemd.shared.channel import send_files
from gemd.shared.scoreboard import Scoreboard
from gemd.system.logs import Logs
from gemd.worker import main
from gemd.worker.main import Reporter, app_timeout, ask_for_reload, confine_scripts, connection_limit, receive_logs
from tests.master.scripted import make_generation


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


def test_there_may_be_as_many_connections_as_configured_where_descriptors_suffice():
    config = make_generation(1, limits={"connections": 100, "threads": 2}).config
    assert connection_limit(config) == 100


def test_connections_leave_descriptors_for_everything_else(monkeypatch):
    monkeypatch.setattr("gemd.worker.main.process.raise_descriptor_limit", lambda: 1024)
    config = make_generation(1, limits={"connections": 100_000, "threads": 64}).config
    assert connection_limit(config) == (1024 - 3 * 64 - 128) // 3
    config = make_generation(1, limits={"connections": 100_000, "threads": 10_000}).config
    assert connection_limit(config) == 16


# What a worker says of itself


class ScriptedLoop:
    reading, writing, lingering, refused = 3, 2, 1, 5
    has_room = True
    is_left = None

    def leave_accepting(self, *, is_left):
        self.is_left = is_left


@pytest.fixture
def make_reporter(monkeypatch):
    """A reporter whose clock is `clock`, and its row."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("gemd.worker.main.time.monotonic", lambda: clock.now)

    def make(*, are_stuck=False, number=10, watch=None, is_full=False, is_room_elsewhere=False):
        scoreboard = Scoreboard(2)
        applications, logs = SimpleNamespace(are_stuck=are_stuck), SimpleNamespace(dropped=7)
        config = SimpleNamespace(workers=1)
        generation = SimpleNamespace(config=config, logs=logs, applications=applications, has_room=lambda: True)
        looks = SimpleNamespace(memory=0, descriptors=0)

        def read_memory():
            looks.memory += 1
            return 2000, 1000

        def read_descriptors():
            looks.descriptors += 1
            return number

        row, other = scoreboard.row(0), scoreboard.row(1)
        other.show_room(has_room=is_room_elsewhere)
        pool, loop = SimpleNamespace(busy=7, is_full=is_full), ScriptedLoop()
        memory, descriptors = SimpleNamespace(read=read_memory), SimpleNamespace(read=read_descriptors)
        reporter = Reporter(generation, row, loop, pool, memory, descriptors, watch)
        reporter.loop = loop
        return reporter, row, looks, clock

    return make


def test_the_row_says_how_many_are_here_and_how_much_they_take(make_reporter):
    reporter, row, _, _ = make_reporter()
    reporter.report()
    shown = {name: number for name, number in row.figures.items() if number}
    assert shown == {
        "reading": 3,
        "writing": 2,
        "lingering": 1,
        "threads": 7,
        "memory": 2000,
        "private": 1000,
        "dropped": 7,
        "refused": 5,
        "descriptors": 10,
    }
    assert not row.wants_recycle


@pytest.mark.parametrize(("number", "expected"), [(10, (2, 20)), (1000, (2, 2))])
def test_what_takes_time_to_count_is_counted_now_and_then(make_reporter, number, expected):
    reporter, _, looks, clock = make_reporter(number=number)
    for _ in range(200):
        reporter.report()
        clock.now += 0.1
    assert (looks.memory, looks.descriptors) == pytest.approx(expected, abs=1)


def test_a_worker_whose_applications_are_stuck_asks_for_rest(make_reporter):
    reporter, row, _, _ = make_reporter(are_stuck=True)
    reporter.report()
    assert row.wants_recycle


@pytest.mark.parametrize(
    ("is_full", "is_room_elsewhere", "is_left"),
    [(False, False, False), (False, True, False), (True, False, False), (True, True, True)],
)
def test_a_full_worker_leaves_accepting_to_those_who_are_not(make_reporter, is_full, is_room_elsewhere, is_left):
    reporter, _, _, _ = make_reporter(is_full=is_full, is_room_elsewhere=is_room_elsewhere)
    reporter.report()
    assert reporter.loop.is_left is is_left


@pytest.mark.parametrize("full", ["event loop", "scripts"])
def test_it_is_full_of_other_things_too(make_reporter, full):
    reporter, _, _, _ = make_reporter(is_room_elsewhere=True)
    reporter.loop.has_room = full != "event loop"
    reporter._generation.has_room = lambda: full != "scripts"
    reporter.report()
    assert reporter.loop.is_left


def test_a_file_that_has_changed_is_told_to_the_master(make_reporter, monkeypatch):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    changes = ["/app.py", None]
    reporter, _, _, clock = make_reporter(watch=SimpleNamespace(look=lambda: changes.pop(0)))
    for _ in range(15):
        reporter.report()
        clock.now += 0.1
    assert killed == [(os.getppid(), signal.SIGHUP)]


def test_a_master_that_stays_root_can_t_be_told(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    ask_for_reload("/app.py")
    assert "only root" in caplog.text


@pytest.mark.parametrize(("stop", "seconds"), [(30.0, 27.0), (10.0, 7.0), (4.0, 2.0), (1.0, 0.5)])
def test_applications_have_what_the_master_leaves(stop, seconds):
    assert app_timeout(stop) == seconds


def test_scripts_are_confined_by_rules_made_for_this_worker(monkeypatch):
    given = []
    monkeypatch.setattr(main.SCRIPT_THREADS, "confine", given.append)
    confine_scripts(None)
    assert given == []
    made = SimpleNamespace(restrict_thread=lambda: None)
    confine_scripts(SimpleNamespace(make_ruleset=lambda: made))
    assert given == [made.restrict_thread]
