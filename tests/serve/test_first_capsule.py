"""`gemctl init` at a terminal, as an ordinary user, and gemd with what it wrote."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pytest

from tests.conftest import need_user
from tests.support.processes import free_port
from tests.support.waiting import LONGEST, wait_for

pytestmark = need_user  # who need not be able to run root's interpreter


@pytest.fixture
def folder():
    """A directory whose path is short enough for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="gemd-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def start(folder, module, *arguments, **options):
    env = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": "", "STATE_DIRECTORY": ""}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, env=env, **options)


class Terminal:
    """Somebody at a terminal, and the command that runs there."""

    def __init__(self, folder, *arguments):
        self._master, slave = pty.openpty()
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        command = ("gemd.gemctl", "init", *arguments)
        self.process = start(folder, *command, preexec_fn=take_terminal, start_new_session=True, **streams)
        os.close(slave)
        self.seen = ""

    def _read(self):
        with contextlib.suppress(OSError):  # nobody has the other end any more
            self.seen += os.read(self._master, 4096).decode()

    def _is_asleep(self):
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"

    def answer(self, question, text):
        """Wait for the question, and type."""
        before = len(self.seen)
        while question not in self.seen[before:]:
            size = len(self.seen)
            self._read()
            assert len(self.seen) > size, self.seen
        wait_for(self._is_asleep, "the command to wait for an answer")  # a Ctrl-C just before would be heeded after it
        os.write(self._master, text.encode())

    def finish(self):
        """Its exit code, once it has ended."""
        size = -1
        while len(self.seen) > size:
            size = len(self.seen)
            self._read()
        os.close(self._master)
        return self.process.wait(LONGEST)


def take_terminal():
    """Have Ctrl-C on the terminal, which is standard input, be for this process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(folder):
    """Start `gemctl init` at a terminal."""
    started = []

    def open_it(*arguments):
        started.append(Terminal(folder, *arguments))
        return started[-1]

    yield open_it
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@contextlib.contextmanager
def serving(folder, command):
    """gemd by the command that was printed, on a free port; the port."""
    port, log = free_port(), folder / "error.log"
    with log.open("wb") as stream:
        daemon = start(folder, "gemd", *command.split()[1:], "--host", "127.0.0.1", "--port", port, stderr=stream)
    try:
        wait_for(lambda: daemon.poll() is not None or "listening on" in log.read_text(), "gemd to listen")
        yield port
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(LONGEST) == 0
        assert not re.search(r"\] (warning|error|critical): |Traceback", log.read_text())
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def fetch(folder, url, port):
    command = ["fetch", "--connect", f"127.0.0.1:{port}", url]
    done = start(folder, "gemd.gemctl", *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = done.communicate(timeout=LONGEST)
    assert done.returncode == 0, err
    return out


def test_three_answers_make_a_capsule_that_is_served(terminal, folder):
    at = terminal()
    at.answer("Which name", "not a name\n")
    at.answer("Which name", "example.org\n")
    at.answer("In which directory", "~/my-capsule\n")
    at.answer("From which server", "\n")
    assert at.finish() == 0, at.seen
    assert "not a name can't be a host" in at.seen
    assert "is in order" in at.seen
    command = re.search(r"start it: +(\S*gemd -c \S+)", at.seen)
    assert command
    with serving(folder, command[1]) as port:
        assert fetch(folder, f"gemini://example.org:{port}/", port).startswith("# example.org\n")
    names = {str(path.relative_to(folder / "my-capsule")) for path in (folder / "my-capsule").rglob("*")}
    assert {"gemd.conf", "capsule/index.gmi", "certificates/example.org.key"} <= names


def test_flags_answer_before_anybody_is_asked(terminal, folder):
    at = terminal("new", "--from", "none")
    at.answer("Which name is the capsule to have, as in its URLs? [localhost]: ", "\n")
    assert at.finish() == 0, at.seen
    assert "directory are" not in at.seen
    assert "From which" not in at.seen


LEAVES = {"EOF": ("\x04", "nothing was written"), "Ctrl-C": ("\x03", "interrupted")}


@pytest.mark.parametrize(("key", "said"), LEAVES.values(), ids=LEAVES)
def test_who_leaves_leaves_nothing(terminal, folder, key, said):
    at = terminal()
    at.answer("Which name", "example.org\n")
    at.answer("In which directory", key)
    assert at.finish() == 1
    assert said in at.seen
    assert "Traceback" not in at.seen
    assert [path.name for path in folder.iterdir()] == []
