"""The logs of a generation, and what the next one shares with it."""

import os
import socket

import pytest

from gemd.config.settings import Log
from gemd.system import syslog_sink
from gemd.system.level import Level
from gemd.system.line_log import NoLog
from gemd.system.log import error_log
from gemd.system.log_file import LogError
from gemd.system.logs import Logs
from tests.support.descriptors import open_descriptors


@pytest.fixture(autouse=True)
def _error_log():
    """With nothing left from before, nor afterwards."""
    error_log.__init__()
    yield
    error_log.__init__()


@pytest.fixture
def make(tmp_path):
    """Logs of these files, unless a name is a word; they are closed in the end."""
    made = []

    def place(name):
        return name if name in ("off", "stdout", "stderr", "syslog") else str(tmp_path / name)

    def make(access="access", error="error", files=(), former=None, **settings):
        log = Log(access=place(access), error=place(error), **settings)
        made.append(Logs(log, [place(name) for name in files], former))
        return made[-1]

    yield make
    for logs in made:
        logs.close_all_but(None)


def test_a_log_that_can_not_be_opened_leaves_the_old_ones(make, tmp_path):
    former = make()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(LogError):
        make(access="new", error="missing/log", former=former)
    assert sorted(os.listdir("/proc/self/fd")) == before
    former.access.write("line")
    assert (tmp_path / "access").read_text() == "line\n"


def test_a_log_that_stays_is_shared(make, tmp_path):
    former = make(error="old")
    logs = make(error="new", former=former)
    assert logs.access is former.access
    former.close_all_but(logs)
    logs.use()
    error_log.info("line")
    logs.access.write("request")
    assert (tmp_path / "old").read_text() == ""
    assert (tmp_path / "new").read_text().endswith("info: line\n")
    assert (tmp_path / "access").read_text() == "request\n"


def test_a_file_that_changes_its_part_is_shared_too(make):
    former = make(access="a", error="b", files=["c"])
    logs = make(access="c", error="a", files=["b"], former=former)
    assert logs.access is former.of(former.files()[next(p for p in former.files() if p.endswith("c"))].path)
    assert logs.error is former.access


def test_a_file_is_opened_once_whoever_has_it(make, tmp_path):
    logs = make(access="log", error="log", files=["log", "other", "other"])
    assert logs.access is logs.error
    assert list(logs.files()) == [str(tmp_path / "log"), str(tmp_path / "other")]


def test_a_location_has_a_log_of_its_own_or_the_common_one_or_none(make, tmp_path):
    logs = make(files=["own"])
    logs.of(str(tmp_path / "own")).write("line")
    assert (tmp_path / "own").read_text() == "line\n"
    assert logs.of(True) is logs.access
    assert isinstance(logs.of(False), NoLog)


def test_files_are_reopened_by_their_names(make, tmp_path):
    logs = make(error="stderr", files=["own"])
    paths = {str(tmp_path / name): tmp_path / name for name in ("access", "own")}
    assert logs.files().keys() == paths.keys()
    before = {path: sink.fileno() for path, sink in logs.files().items()}
    for path in paths.values():
        path.rename(f"{path}.1")
    for path in paths:
        (logs.access if path.endswith("access") else logs.of(path)).write("old")
    logs.reopen()
    for path in paths:
        (logs.access if path.endswith("access") else logs.of(path)).write("new")
    for path in paths.values():
        assert path.with_name(f"{path.name}.1").read_text() == "old\n"
        assert path.read_text() == "new\n"
    assert {path: sink.fileno() for path, sink in logs.files().items()} == before


def test_files_that_can_not_be_reopened_stay_open(make, tmp_path):
    logs = make()
    (tmp_path / "access").rename(tmp_path / "access.1")
    (tmp_path / "error").rename(tmp_path / "error.1")
    (tmp_path / "error").symlink_to("/etc/passwd")
    with pytest.raises(LogError):
        logs.reopen()
    logs.access.write("line")
    assert (tmp_path / "access.1").read_text() == "line\n"


def test_the_error_log_has_the_level_that_is_set(make, tmp_path):
    make(level="error").use()
    assert error_log.level is Level.ERROR


def test_in_a_worker_threads_write_and_all_is_written_in_the_end(make, tmp_path):
    logs = make()
    logs.use()
    logs.start()
    for nr in range(100):
        logs.access.write(f"{nr}")
    for _ in range(7):
        error_log.warning("text")
    logs.flush(10.0)
    assert (tmp_path / "access").read_text() == "".join(f"{nr}\n" for nr in range(100))
    errors = (tmp_path / "error").read_text().splitlines()
    assert len(errors) == 6
    assert errors[-1].endswith("warning: text (2 times more)")


def test_who_closes_all_of_them_has_said_everything(tmp_path):
    logs = Logs(Log(access="off", error=str(tmp_path / "error")))
    logs.use()
    for _ in range(7):
        error_log.warning("text")
    logs.close_all_but(None)
    assert (tmp_path / "error").read_text().endswith("warning: text (2 times more)\n")


def test_what_an_application_does_to_standard_output_changes_nothing(make, tmp_path):
    before = os.dup(1)
    try:
        with (tmp_path / "given").open("wb") as given, (tmp_path / "other").open("wb") as other:
            os.dup2(given.fileno(), 1)
            logs = make(access="stdout")
            os.dup2(other.fileno(), 1)
            logs.access.write("one")
            os.close(1)
            later = make(access="off", former=logs)
            last = make(access="stdout", former=later)
            assert last.access is not logs.access
            last.access.write("two")
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert (tmp_path / "given").read_text() == "one\ntwo\n"
    assert (tmp_path / "other").read_text() == ""


def test_who_leaves_a_terminal_keeps_no_descriptor_that_is_closed_for_it(make, tmp_path, monkeypatch):
    """A number that has become another's would have what was said."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "syslog"))
        monkeypatch.setattr(syslog_sink, "_PATH", str(tmp_path / "syslog"))
        before = open_descriptors()
        logs = make(access="off", error="syslog")
        logs.use()
        assert open_descriptors() != before
        logs.leave_streams()
        assert open_descriptors() == before
        error_log.warning("text")
        assert daemon.recv(4096).endswith(b"]: warning: text")


def test_a_reload_may_change_the_facility_of_syslog(make, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "syslog"))
        monkeypatch.setattr(syslog_sink, "_PATH", str(tmp_path / "syslog"))
        former = make(access="syslog", error="error")
        same = make(access="syslog", error="error", former=former)
        other = make(access="syslog", error="error", former=same, facility="local1")
        assert same.access is former.access
        assert other.access is not former.access
        assert other.error is former.error
        for logs in (same, other):
            logs.access.write("text")
        assert [daemon.recv(4096).partition(b">")[0] for _ in range(2)] == [b"<30", b"<142"]


def test_lost_lines_are_told_of_in_the_error_log(make, tmp_path, monkeypatch):
    logs = make()
    logs.use()
    real = logs.access.sink._send
    logs.access.sink._send = lambda data: 0
    for _ in range(3):
        logs.access.write("lost")
    assert logs.dropped == 3
    assert (tmp_path / "error").read_text() == ""
    logs.access.sink._send = real
    logs.access.write("line")
    (line,) = (tmp_path / "error").read_text().splitlines()
    assert line.endswith(f"error: 3 lines of the log {tmp_path}/access could not be written: No space left on device")
    assert (tmp_path / "access").read_text() == "line\n"
