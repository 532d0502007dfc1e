"""A daemon that detaches: what the starting shell is told, and what is left of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import need_root
from tests.support.processes import free_port

from .conftest import is_alive, session_members, title_of, wait_for, workers_of
from .load import Load
from .services import USER
from .succession import HOST, SERVICE, public_folder, tell, wait_until_serving, write_script


def gemd(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """Run it as a shell does, until it returns."""
    command = [sys.executable, "-m", "gemd", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


# Detached


class Detached:
    """A configuration for a daemon that leaves its shell, and who it is by then."""

    def __init__(self, folder: Path, capsule: Path):
        self.port = free_port()
        self.conf = folder / "gemd.conf"
        self.pid_path = folder / "gemd.pid"
        self.log = folder / "error.log"
        self._placeholders = {"{root}": str(capsule), "{tmp}": str(folder)}
        self.configure()

    def configure(self, more: str = "", top: str = USER + SERVICE) -> None:
        text = f'listen = ["127.0.0.1:{self.port}"]\n{top}{more}[log]\naccess = "{{tmp}}/access.log"\n'
        text += f'error = "{self.log}"\n{HOST}'
        for name, value in self._placeholders.items():
            text = text.replace(name, value)
        self.conf.write_text(text)

    def start(self, *wrapper: str, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*wrapper, sys.executable, "-m", "gemd", "-d", "-c", self.conf],
            **{"capture_output": True, "text": True, "timeout": 60, "check": False, **options},
        )

    @property
    def pid(self) -> int:
        return int(self.pid_path.read_text())

    def ask(self, path: str = "/") -> bytes:
        with Load(self.port, path, clients=1) as load:
            wait_for(lambda: load.answers or load.failures, "an answer")
        assert not load.failures
        return next(iter(load.answers))

    def stop(self) -> None:
        if not self.pid_path.exists():
            return
        pid = self.pid
        session = os.getsid(pid)
        os.kill(pid, signal.SIGTERM)
        try:
            wait_for(lambda: not session_members(session), "all processes to be gone")
        finally:
            for member in session_members(session):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
        assert not self.pid_path.exists()


@pytest.fixture
def detached(tmp_path, capsule):
    daemon = Detached(tmp_path, capsule)
    yield daemon
    daemon.stop()
    complaints = [line for line in daemon.log.read_text().splitlines() if " info: " not in line]
    assert complaints == []


def test_the_shell_goes_on_when_pages_are_served(detached):
    done = detached.start()
    assert (done.returncode, done.stdout) == (0, "")
    assert is_alive(detached.pid)
    assert detached.ask().endswith(b"# A capsule\n")
    assert len(workers_of(detached.pid)) >= 1
    assert title_of(detached.pid) == f"gemd: master {detached.conf}"


def test_a_daemon_has_left_its_terminal_and_its_session(detached):
    ours, its = os.openpty()
    # A session leader that opens a terminal has it for its own; closing the other end hangs up on the whole session.
    wrapper = ("/bin/sh", "-c", 'exec <"$0" && "$@"', os.ttyname(its))
    done = detached.start(*wrapper, start_new_session=True)
    os.close(its)
    os.close(ours)
    assert done.returncode == 0, done.stderr
    pid = detached.pid
    for member in (pid, *workers_of(pid)):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        assert fields[4] == "0", "no controlling terminal"
        assert os.getsid(member) != os.getsid(0)
        assert os.getpgid(member) == os.getpgid(pid)
    assert pid != os.getsid(pid)  # it can't take a terminal again
    assert detached.ask().endswith(b"# A capsule\n")


@need_root
def test_a_daemon_keeps_neither_a_stream_nor_a_directory_of_its_shell(detached):
    assert detached.start().returncode == 0
    pid = detached.pid
    for member in (pid, *workers_of(pid)):
        streams = [os.readlink(f"/proc/{member}/fd/{number}") for number in (0, 1, 2)]
        assert streams == ["/dev/null"] * 3
        assert os.readlink(f"/proc/{member}/cwd") == "/"


def test_a_bad_configuration_is_told_to_the_shell(detached):
    detached.log.touch()
    detached.configure("wrkers = 2\n")
    done = detached.start()
    assert done.returncode == 3
    assert "did you mean 'workers'?" in done.stderr
    assert not detached.pid_path.exists()


def test_a_taken_port_is_told_to_the_shell(detached):
    detached.log.touch()
    with socket.create_server(("127.0.0.1", detached.port)):
        done = detached.start()
    assert done.returncode == 4
    assert "another program listens there" in done.stderr
    assert not detached.pid_path.exists()


def test_standard_streams_may_be_closed(detached):
    done = detached.start("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    assert done.returncode == 0
    assert detached.ask()


@pytest.mark.parametrize("flags", [["-d"], []], ids=["detached", "in the foreground"])
def test_workers_that_never_serve_are_told_to_the_shell(detached, tmp_path, flags):
    """As where the program was installed by halves: this one's workers can't begin."""
    code = "import gemd.worker.main as w; w._serve = None; from gemd.__main__ import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, *flags, "-c", str(detached.conf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6
    assert done.stderr == (
        f"gemd: it did not start: the workers end before they serve; the error log says more, {detached.log}\n"
    )
    assert not detached.pid_path.exists()
    assert "giving up" in detached.log.read_text()
    detached.log.write_text("")


def test_a_second_start_names_who_runs_and_changes_nothing(detached):
    assert detached.start().returncode == 0
    pid, log = detached.pid, detached.log.read_text()
    for flags in (["-d"], []):
        done = gemd(*flags, "-c", detached.conf)
        assert done.returncode == 7
        assert f"(pid {pid})" in done.stderr
    assert (detached.pid, detached.log.read_text()) == (pid, log)
    assert detached.ask().endswith(b"# A capsule\n")


def test_a_detached_daemon_reloads_upgrades_and_rotates(detached):
    """What it needs is found although it has left its directory."""
    assert detached.start(cwd=detached.conf.parent).returncode == 0
    first = detached.pid
    tell(detached.conf.parent / "control.sock", "reload")
    assert "reloaded: generation 2" in detached.log.read_text()
    assert tell(detached.conf.parent / "control.sock", "upgrade")["ok"]
    wait_for(lambda: detached.pid != first and not is_alive(first), "the new master")
    assert detached.ask().endswith(b"# A capsule\n")
    detached.log.rename(detached.log.with_suffix(".1"))
    assert tell(detached.conf.parent / "control.sock", "reopen")["ok"]
    assert "open anew" in detached.log.read_text()


@need_root
def test_a_detached_daemon_runs_scripts_as_users_of_their_own():
    with public_folder() as folder:
        capsule = folder / "capsule"
        write_script(capsule, "who", "echo 20 text/plain; id -un\n")
        daemon = Detached(folder, capsule)
        top, more = SERVICE + 'user = "nobody"\nmaster-user = "root"\n', '[cgi]\nuser = "daemon"\n'
        daemon.configure(more, top)
        try:
            assert daemon.start().returncode == 0
            wait_until_serving(folder / "control.sock")
            assert daemon.ask("/cgi-bin/who").endswith(b"\ndaemon\n")
            assert "error: " not in daemon.log.read_text()
        finally:
            daemon.stop()


# The pid file
