"""A service whose master may change: whoever the pid file names is it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .conftest import LONGEST, Answer, Daemon, is_alive, session_members, wait_for, workers_of

SERVICE = """
workers = 2
pid-file = "{tmp}/gemd.pid"
control = "{tmp}/control.sock"
"""
HOST = """
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
"""


def tell(path: Path, command: str) -> dict:
    """Send the master a command over its control socket; its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        sock.sendall(json.dumps({"command": command}).encode() + b"\n")
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
    return json.loads(answer)


FRESH = 2.2  # seconds after which every worker has counted its descriptors anew, though nobody wakes it


def descriptors(control: Path) -> dict[int, int]:
    """How many descriptors each worker has open, by its pid, as it counted them within the last two seconds."""

    def figures() -> dict[int, int] | None:
        counts = {worker["pid"]: worker["descriptors"] for worker in tell(control, "status")["status"]["workers"]}
        return counts if all(counts.values()) else None

    return wait_for(figures, "every worker to have counted")


def wait_for_descriptors(control: Path, is_right, what: str, seconds: float = LONGEST) -> None:
    """Poll until `descriptors` have been right, without a break, for so long that they were counted meanwhile."""
    since: float | None = None

    def have_stayed() -> bool:
        nonlocal since
        if not is_right(descriptors(control)):
            since = None
        elif since is None:
            since = time.monotonic()
        return since is not None and time.monotonic() - since > FRESH

    wait_for(have_stayed, what, seconds)


def write_script(capsule: Path, name: str, text: str) -> None:
    """Make /cgi-bin/NAME, a shell script."""
    folder = capsule / "cgi-bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + text)
    (folder / name).chmod(0o755)


def wait_until_serving(control: Path, generation: int = 1) -> None:
    """Until every worker is of this generation and has done all that comes before it serves: dropping root, say."""

    def is_serving() -> bool:
        workers = tell(control, "status")["status"]["workers"]
        return {(worker["state"], worker["generation"]) for worker in workers} == {("serving", generation)}

    wait_for(is_serving, f"generation {generation} to serve", 60)


class Succession:
    """Inside a `with` block: a daemon configured with SERVICE, and who comes after it. At the end whoever is the
    service by then is stopped, and nothing is left."""

    def __init__(self, daemon: Daemon, folder: Path):
        self.daemon = daemon
        self.session = daemon.process.pid
        self.pid_path = folder / "gemd.pid"
        self.control_path = folder / "control.sock"

    def __enter__(self) -> "Succession":
        wait_for(self.pid_path.exists, "the pid file")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return  # the harness kills what is left
        assert self.daemon.ask("/").complete
        os.kill(self.pid, signal.SIGTERM)
        wait_for(lambda: self.daemon.process.poll() is not None, "the first master to end")
        wait_for(lambda: not session_members(self.session), "all processes to be gone")
        assert not self.pid_path.exists()

    @property
    def pid(self) -> int:
        """The master's, as the pid file has it. The file is never absent while the service lives."""
        return int(self.pid_path.read_text())

    @property
    def workers(self) -> list[int]:
        return workers_of(self.pid)

    @property
    def errors(self) -> str:
        return self.daemon.errors

    def ask(self, path: str = "/") -> Answer:
        return self.daemon.ask(path)

    def status(self) -> dict:
        return tell(self.control_path, "status")["status"]

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def upgrade(self) -> None:
        """Have a new master, whose workers serve alone."""
        old = self.pid
        self.send(signal.SIGUSR2)
        wait_for(lambda: self.pid != old, "another pid in the pid file", 60)
        self.wait_for_end(old)

    def wait_for_end(self, master: int) -> None:
        """Until that one is gone."""

        def is_over() -> bool:
            self.daemon.process.poll()
            return not is_alive(master)

        wait_for(is_over, "the old master to leave", 60)

    def has_workers(self, number: int = 2) -> bool:
        """Whether so many serve, of one generation and with no other beside them."""
        status = self.status()
        states = [(worker["state"], worker["generation"]) for worker in status["workers"]]
        return status["state"] == "serving" and states == [("serving", status["generation"])] * number


def may_nobody_start_python() -> bool:
    """Whether other users can start the interpreter that this is; as root's it may lie in root's own home."""
    if os.geteuid():
        return False
    try:
        return not subprocess.run([sys.executable, "-c", ""], user="nobody", group="nogroup", check=False).returncode
    except PermissionError:
        return False


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that every user may look into, with a capsule; pytest's own are for one user alone."""
    folder = Path(tempfile.mkdtemp(prefix="gemd-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        for name in ("capsule", "capsule/cgi-bin"):
            (folder / name).mkdir(mode=0o755)
        (folder / "capsule/index.gmi").write_text("# A public capsule\n")
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def held_by(gate: Path) -> Iterator[None]:
    """A named pipe at `gate`: who opens it to read is held until the end of the `with` block."""
    os.mkfifo(gate)
    try:
        yield
    finally:
        descriptor = os.open(gate, os.O_RDWR | os.O_NONBLOCK)  # both ends, so that nobody waits on either
        gate.unlink()
        os.close(descriptor)
