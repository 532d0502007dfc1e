"""Log files that a child opens: here both halves in one process."""

import os
from types import SimpleNamespace

import pytest

from gemd.config.settings import Log
from gemd.master.log_files import move_logs, open_all
from gemd.master.report import Outcome, TaskError
from gemd.system.logs import Logs


@pytest.fixture
def logs(tmp_path):
    logs = Logs(Log(access=str(tmp_path / "access"), error=str(tmp_path / "error")), [str(tmp_path / "own")])
    yield logs
    logs.close_all_but(None)


@pytest.fixture
def generation(logs):
    return SimpleNamespace(logs=logs)


def test_what_is_opened_is_written_to(generation, logs, tmp_path):
    numbers = {path: sink.fileno() for path, sink in logs.files().items()}
    assert list(numbers) == [str(tmp_path / name) for name in ("access", "error", "own")]
    logs.access.write("old")
    for path in numbers:
        os.rename(path, f"{path}.1")
    before = os.listdir("/proc/self/fd")
    found = open_all(generation)
    logs.access.write("old too")
    assert move_logs(found, generation) == numbers
    logs.access.write("new")
    assert (tmp_path / "access.1").read_text() == "old\nold too\n"
    assert (tmp_path / "access").read_text() == "new\n"
    assert os.listdir("/proc/self/fd") == before


def test_where_one_can_not_be_opened_none_is(generation, logs, tmp_path):
    (tmp_path / "error").unlink()
    (tmp_path / "error").mkdir()
    with pytest.raises(TaskError, match="can't open the log"):
        open_all(generation)


@pytest.mark.parametrize("content", [None, ["access"], ["nonsense"], [1], "text"])
def test_nonsense_changes_nothing(generation, logs, tmp_path, content):
    before = [os.readlink(f"/proc/self/fd/{sink.fileno()}") for sink in logs.files().values()]
    descriptor = os.open(os.devnull, os.O_WRONLY)
    with pytest.raises(TaskError):
        move_logs(Outcome(content, [descriptor]), generation)
    assert [os.readlink(f"/proc/self/fd/{sink.fileno()}") for sink in logs.files().values()] == before
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)


def test_without_files_there_is_nothing_to_open():
    logs = Logs(Log(access="off", error="off"))
    found = open_all(SimpleNamespace(logs=logs))
    assert (found.content, found.descriptors) == ([], [])
    assert move_logs(found, SimpleNamespace(logs=logs)) == {}
