"""Starting programs: where they run, what they inherit, and what becomes of those that can't be started."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from gemd.system import spawn as spawn_module
from gemd.system.beneath import open_root
from gemd.system.spawn import spawn
from tests.support.descriptors import open_descriptors


@pytest.fixture
def directory(tmp_path):
    descriptor = open_root(str(tmp_path))
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def run(directory):
    """What a program says, in sh unless its arguments are given; its exit code."""

    def run(text, program="/bin/sh", environ=None, arguments=None):
        reader, writer = os.pipe()
        with os.fdopen(reader) as output, os.fdopen(writer, "w") as end, Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), end.fileno(), 2
            pid = spawn(directory, program, arguments or ["sh", "-c", text], environ or {"A": "b"}, streams)
            end.close()
            said = output.read()
            return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return run


def test_it_runs_in_the_directory_that_is_open_wherever_that_is(run, tmp_path):
    assert run("pwd -P; exit 3") == (f"{os.path.realpath(tmp_path)}\n", 3)
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    tmp_path.symlink_to("/")
    assert run("pwd -P")[0] == f"{os.path.realpath(moved)}\n"
    tmp_path.unlink()
    moved.rename(tmp_path)


def test_it_has_what_it_is_given_and_nothing_else(run):
    program = "import os, sys; print(sorted(os.environ), sys.argv, sorted(os.listdir('/proc/self/fd'))[:-1])"
    arguments = ["python", "-I", "-c", program, "x", "\udcff"]
    kept = os.dup(0)
    os.set_inheritable(kept, spawn_module._HAS_CLOSEFROM)  # then even what somebody has left open is closed
    said, code = run("", sys.executable, {"A": "b", "PATH": "/bin"}, arguments)
    os.close(kept)
    assert code == 0
    assert said.splitlines()[0].startswith("['A', ")
    assert "'PATH'" in said
    assert said.endswith("['-c', 'x', '\\udcff'] ['0', '1', '2']\n")


def test_where_nothing_is_given_there_is_nothing_to_read(directory):
    reader, writer = os.pipe()
    with os.fdopen(reader) as output:
        pid = spawn(directory, "/bin/sh", ["sh", "-c", "cat; readlink /proc/self/fd/0"], {}, (None, writer, 2))
        os.close(writer)
        assert output.read() == f"{os.devnull}\n"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_it_leads_a_session_with_signals_as_they_are_by_default(run):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    former = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        said, _ = run("grep -E 'SigBlk|SigIgn' /proc/self/status; cut -d ' ' -f 6 /proc/$$/stat; echo $$")
    finally:
        signal.signal(signal.SIGUSR2, former)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    *masks, session, pid = said.split()
    assert [int(mask, 16) & ~0x1_8000_0000 for mask in masks[1::2]] == [0, 0]  # 32 and 33 are the C library's own
    assert session == pid


WRONG = {
    "missing": ("./none", {}, FileNotFoundError, "No such file"),
    "a directory": (".", {}, PermissionError, "Permission denied"),
    "no program": ("./data", {}, OSError, "Exec format error"),
    "too much": ("/bin/true", {"A": "x" * 3_000_000}, OSError, "Argument list too long"),
    "NUL": ("/bin/true", {"A": "\0"}, ValueError, "null byte"),
    "no name": ("/bin/true", {"": "x"}, ValueError, "illegal environment variable name"),
    "equals sign": ("/bin/true", {"A=B": "x"}, ValueError, "illegal environment variable name"),
    "surrogate": ("/bin/true", {"A": "\ud800"}, ValueError, "surrogates not allowed"),
}


@pytest.mark.parametrize(("program", "environ", "kind", "text"), WRONG.values(), ids=WRONG)
def test_what_can_not_be_started(run, tmp_path, program, environ, kind, text):
    (tmp_path / "data").write_bytes(b"\0\1")
    (tmp_path / "data").chmod(0o755)
    before = open_descriptors()
    with pytest.raises(kind, match=text):
        run("", program, environ)
    assert open_descriptors() == before


def test_no_directory(run, directory, monkeypatch):
    real = spawn_module._quick.posix_spawn_file_actions_addfchdir_np
    monkeypatch.setattr(
        spawn_module._quick, "posix_spawn_file_actions_addfchdir_np", lambda actions, _: real(actions, 9999)
    )
    with pytest.raises(OSError, match="Bad file descriptor"):
        run("true")


@pytest.fixture
def old_library(monkeypatch):
    """A C library that can't change the directory of what it starts."""
    monkeypatch.setattr(spawn_module, "_HAS_FCHDIR", False)
    monkeypatch.setattr(spawn_module, "_HAS_CLOSEFROM", False)


def in_a_thread(work):
    """What it gives or raises, in a thread of its own: its working directory stays another one."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


@pytest.mark.usefixtures("old_library")
def test_with_an_old_library_the_thread_goes_there(run, tmp_path):
    before = os.getcwd()
    assert in_a_thread(lambda: run("pwd -P")) == (f"{os.path.realpath(tmp_path)}\n", 0)
    assert os.getcwd() == before


@pytest.mark.usefixtures("old_library")
def test_where_a_thread_may_not_go_there_nothing_is_started(run, monkeypatch):
    monkeypatch.setattr(spawn_module._libc, "unshare", lambda _: -1)
    assert isinstance(in_a_thread(lambda: run("pwd")), OSError)
