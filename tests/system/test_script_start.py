"""The file that is started, and its pipes."""

import contextlib
import errno
import os
import shutil
import signal
from pathlib import Path

import pytest

from gemd.system import orphans, script_start
from gemd.system.beneath import open_root
from gemd.system.script_start import Pipes, ScriptFile, start_script
from tests.support.descriptors import open_descriptors
from tests.support.waiting import wait_for


@pytest.fixture
def script(tmp_path):
    """A file that says what it is called by and where it runs."""
    path = tmp_path / "script"
    path.write_text('#!/bin/sh\necho "$0 $(pwd -P)"\n')
    path.chmod(0o755)
    return path


def start(file, environ, *, is_held=False):
    """Its pid, what holds it, and our ends of its pipes."""
    with contextlib.closing(file):
        pipes = Pipes()
        try:
            pid, held = start_script(file, environ, pipes, is_held)
        except OSError:
            os.close(pipes.output)
            os.close(pipes.errors)
            raise
        finally:
            pipes.close_theirs()
    return pid, held, pipes


def run(file, *, is_held=False):
    """What it says."""
    pid, held, pipes = start(file, {"PATH": os.environ["PATH"]}, is_held=is_held)
    if held is not None:
        os.write(held, b"\n")
        os.close(held)
    os.close(pipes.errors)
    with os.fdopen(pipes.output, errors="surrogateescape") as reader:
        said = reader.read()
    forget(pid)
    return said


def forget(pid, *pipes):
    """It has ended, or is to end."""
    os.waitpid(pid, 0)
    orphans.unregister(pid)
    for pipe in pipes:
        os.close(pipe)


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize("has_body", [False, True])
def test_arguments_reach_it_as_they_are(tmp_path, is_held, has_body):
    path = tmp_path / "script"
    path.write_text('#!/bin/sh\nfor each; do echo "<$each>"; done; cat\n')
    path.chmod(0o755)
    body = os.open(path, os.O_RDONLY) if has_body else None
    file = ScriptFile(str(path), body=body, arguments=("", "a b", "$0", "*", "-c", "\udcff"))
    said = run(file, is_held=is_held).encode("utf-8", "surrogateescape")
    assert said == b"<>\n<a b>\n<$0>\n<*>\n<-c>\n<\xff>\n" + (path.read_bytes() if has_body else b"")


@pytest.mark.parametrize("is_held", [False, True])
def test_by_its_path(script, tmp_path, is_held):
    assert run(ScriptFile(str(script)), is_held=is_held) == f"./script {os.path.realpath(tmp_path)}\n"


@pytest.mark.parametrize("is_held", [False, True])
def test_by_a_name_in_a_directory_whatever_is_at_its_path(script, tmp_path, is_held):
    directory = open_root(str(tmp_path))
    file = ScriptFile("/nowhere/link", directory, "script")
    assert file.open() == directory
    assert run(file, is_held=is_held) == f"./script {os.path.realpath(tmp_path)}\n"


def test_a_path_without_a_directory_is_one_here(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(ScriptFile("script")) == f"./script {os.path.realpath(tmp_path)}\n"


def test_a_program_of_its_own_is_told_its_path(tmp_path):
    """The one that a script is run by is told its name."""
    (tmp_path / "yes").symlink_to(shutil.which("yes"))
    pid, _, pipes = start(ScriptFile(str(tmp_path / "yes")), {})
    command = Path(f"/proc/{pid}/cmdline")
    wait_for(command.read_text, "it to be loaded")
    assert command.read_text() == f"{tmp_path}/yes\0"
    os.kill(pid, signal.SIGKILL)
    forget(pid, pipes.output, pipes.errors)


def test_it_is_registered_while_it_runs(script):
    pid, _, pipes = start(ScriptFile(str(script)), {})
    assert pid in orphans._running
    forget(pid, pipes.output, pipes.errors)


def test_closed_twice_it_is_closed_once(tmp_path):
    file = ScriptFile(str(tmp_path / "x"))
    file.open()
    file.close()
    other = os.open(tmp_path, os.O_RDONLY)  # has the same number, most likely
    file.close()
    os.fstat(other)
    os.close(other)


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_no_descriptor_is_left_open_when_none_can_be_had(script, monkeypatch, is_held, number):
    left = [number]

    def sparing(call):
        def count(*arguments):
            if not left[0]:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            left[0] -= 1
            return call(*arguments)

        return count

    before = open_descriptors()
    for module, name in ((os, "pipe"), (script_start, "open_root")):
        monkeypatch.setattr(module, name, sparing(getattr(module, name)))
    file = ScriptFile(str(script))
    with contextlib.closing(file):
        if number == 3 + is_held:
            run(file, is_held=is_held)
        elif number < 3:
            with pytest.raises(OSError, match="Too many open files"):
                start(file, {}, is_held=is_held)
    monkeypatch.undo()
    assert open_descriptors() == before


READER = """#!/bin/sh
cat
ls -l /proc/self/fd | wc -l
wc -c </dev/stdin
"""


@pytest.mark.parametrize("is_held", [False, True])
def test_a_body_is_all_that_it_reads(tmp_path, is_held):
    """It is a file, which can be opened anew, and nothing else is open but what runs the script."""
    path = tmp_path / "script"
    path.write_text(READER)
    path.chmod(0o755)
    (tmp_path / "body").write_text("body\n" * 2000)
    without, with_one = (
        run(ScriptFile(str(path), body=body), is_held=is_held).splitlines()
        for body in (None, os.open(tmp_path / "body", os.O_RDONLY))
    )
    assert with_one == ["body"] * 2000 + [without[0], "10000"]


@pytest.mark.parametrize("is_held", [False, True])
def test_a_body_is_closed_with_the_file(script, tmp_path, is_held):
    before = open_descriptors()
    run(ScriptFile(str(script), body=os.open(tmp_path, os.O_RDONLY)), is_held=is_held)
    assert open_descriptors() == before
