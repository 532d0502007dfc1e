import os
import threading

import pytest

from gemd.system import line_log
from gemd.system.level import Level
from gemd.system.line_log import LineLog, NoLog
from gemd.system.log_file import open_log_file
from gemd.system.sinks import open_sink
from tests.support.waiting import LONGEST, wait_for


class ScriptedSink:
    """Keeps what it is given, `writes` by write; loses all while `fails`; a write may last until `go_on` is set."""

    is_dated = False

    def __init__(self):
        self.reason = ""
        self.fails = ""
        self.writes = []
        self.threads = set()
        self.is_writing = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.is_closed = False

    def write(self, lines):
        self.threads.add(threading.current_thread())
        self.is_writing.set()
        assert self.go_on.wait(LONGEST)
        if self.fails:
            self.reason = self.fails
            return len(lines)
        self.writes.append([text for text, _ in lines])
        return 0

    def close(self):
        self.is_closed = True

    @property
    def lines(self):
        return [line for write in self.writes for line in write]


@pytest.fixture
def sink():
    return ScriptedSink()


@pytest.fixture
def reports():
    return []


@pytest.fixture
def log(sink, reports):
    """Its thread ends with the test, if it has one."""
    log = LineLog(sink, "name", lambda *what: reports.append(what))
    yield log
    sink.go_on.set()
    if not sink.is_closed:
        log.close()


def test_without_a_thread_a_line_is_written_at_once(log, sink):
    log.write("one", Level.ERROR)
    assert sink.lines == ["one"]
    assert sink.threads == {threading.current_thread()}
    log.flush(0.0)


def test_what_is_lost_is_counted_and_told_of_when_writing_works_again(log, sink, reports):
    sink.fails = "No space left on device"
    for nr in range(3):
        log.write(f"{nr}")
    assert (log.dropped, reports) == (3, [])
    sink.fails = ""
    log.write("line")
    log.write("line")
    assert reports == [("name", 3, "No space left on device")]
    assert log.dropped == 3
    sink.fails = "again"
    log.write("lost")
    sink.fails = ""
    log.write("line")
    assert reports[1:] == [("name", 1, "again")]


def test_an_announcement_that_is_lost_is_one_line_more(sink):
    log = LineLog(sink, "name", lambda _name, number, _reason: log.write(f"{number} lost"))
    sink.fails = "full"
    log.write("lost")
    sink.fails = ""
    log.write("line")
    assert sink.lines == ["line", "1 lost"]


def test_a_thread_writes_in_the_order_of_the_lines(log, sink):
    log.start(0.0)
    for nr in range(1000):
        log.write(f"{nr}")
    log.flush(LONGEST)
    assert sink.lines == [f"{nr}" for nr in range(1000)]
    assert threading.current_thread() not in sink.threads


def test_lines_that_come_together_are_written_together(log, sink):
    log.start(0.2)
    for nr in range(100):
        log.write(f"{nr}")
    log.flush(LONGEST)
    assert len(sink.writes) < 10
    assert len(sink.lines) == 100


@pytest.mark.parametrize("act", [lambda log: log.flush(LONGEST), LineLog.close], ids=["flush", "close"])
def test_there_is_no_pause_for_who_waits(sink, act):
    log = LineLog(sink, "name", lambda *_: None)
    log.start(3600.0)
    log.write("a")
    log.write("b")
    act(log)
    assert sink.lines == ["a", "b"]
    log.close()


def test_a_write_that_lasts_holds_nobody_up_and_what_waits_is_bounded(log, sink, reports, monkeypatch):
    monkeypatch.setattr(line_log, "_MAX_WAITING", 10)
    sink.go_on.clear()
    log.start(0.0)
    log.write("first")
    assert sink.is_writing.wait(LONGEST)
    for nr in range(25):
        log.write(f"{nr}")
    assert log.dropped == 15
    log.flush(0.0)
    sink.go_on.set()
    log.flush(LONGEST)
    assert sink.lines == ["first", *(f"{nr}" for nr in range(10))]
    wait_for(lambda: reports, "the report")
    assert reports == [("name", 15, "writing took too long")]
    log.write("last")
    log.flush(LONGEST)
    assert sink.lines[-1] == "last"


def test_a_moment_is_waited_for_what_is_written_in_one(log, sink):
    log.start(0.0)
    for nr in range(20):
        log.write(f"{nr}")
        log.hasten()
        assert sink.lines[-1] == f"{nr}"


def test_where_that_takes_longer_nobody_waits_again_before_it_is_over(log, sink, monkeypatch):
    moments = []
    real = log.flush
    monkeypatch.setattr(log, "flush", lambda seconds: moments.append(seconds) or real(seconds))
    sink.go_on.clear()
    log.start(0.0)
    for _ in range(10):
        log.write("line")
        log.hasten()
    assert moments == [0.05]
    sink.go_on.set()
    assert real(LONGEST)
    assert real(LONGEST)
    log.hasten()
    assert len(moments) == 2


def test_without_a_thread_there_is_nothing_to_wait_for(log):
    log.write("line")
    log.hasten()
    assert log.flush(0.0)


def test_the_thread_does_not_wait_for_itself(sink):
    def report(*_):
        log.hasten()
        reports.append(log._is_late)

    reports = []
    log = LineLog(sink, "name", report)
    sink.fails = "full"
    log.write("lost")
    sink.fails = ""
    log.start(0.0)
    log.write("line")
    assert log.flush(LONGEST)
    assert reports == [False]
    log.close()


def test_another_file_has_what_comes_after_it(tmp_path):
    log = LineLog(open_sink(str(tmp_path / "one"), None), "name", None)
    log.start(0.2)
    for name, line in (("two", "first"), ("three", "second"), (None, "third")):
        log.write(line)
        if name is not None:
            log.move_to(open_log_file(str(tmp_path / name)))
    assert log.flush(LONGEST)
    assert [(tmp_path / name).read_text() for name in ("one", "two", "three")] == ["first\n", "second\n", "third\n"]
    log.close()


@pytest.mark.parametrize("has_thread", [True, False])
def test_a_log_that_can_not_be_moved_stays_where_it_is(tmp_path, caplog, has_thread):
    log = LineLog(open_sink(str(tmp_path / "one"), None), "name", None)
    if has_thread:
        log.start(0.0)
    closed = open_log_file(str(tmp_path / "two"))
    os.close(closed)
    log.move_to(closed)
    log.write("line")
    assert log.flush(LONGEST)
    assert (tmp_path / "one").read_text() == "line\n"
    assert caplog.messages == ["the log name stays in the file that it is in: Bad file descriptor"]
    log.close()


def test_where_there_can_be_no_thread_a_line_is_written_at_once(log, sink, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    log.start(0.0)
    log.write("line")
    assert sink.lines == ["line"]


def test_a_worker_that_was_forked_has_a_thread_of_its_own(tmp_path):
    """And the master has none."""
    log = LineLog(ScriptedSink(), "name", None)
    pid = os.fork()
    if pid == 0:
        log.start(0.0)
        log.write("line")
        log.flush(LONGEST)
        os._exit(0 if log.sink.lines == ["line"] and threading.current_thread() not in log.sink.threads else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    log.write("line")
    assert log.sink.threads == {threading.current_thread()}


@pytest.mark.parametrize("has_thread", [True, False])
def test_its_end_writes_what_is_there_and_leaves_nothing(log, sink, has_thread):
    before = threading.active_count()
    if has_thread:
        log.start(0.2)
    for nr in range(10):
        log.write(f"{nr}")
    log.close()
    assert sink.lines == [f"{nr}" for nr in range(10)]
    assert sink.is_closed
    assert threading.active_count() == before


def test_no_log_takes_everything():
    log = NoLog()
    log.start(0.0)
    log.write("line", Level.ERROR)
    log.hasten()
    assert log.flush(LONGEST)
    log.close()
    assert log.dropped == 0
