"""HAProxy in the foreground, and what its statistics say."""

import csv
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.waiting import LONGEST, wait_for

# What Debian's file has in its place needs root.
GLOBAL = "global\n    stats socket {folder}/admin.sock mode 600 level admin\n    log stderr format raw local0 info\n"
DEBIANS_SOCKET = "/run/haproxy/admin.sock"


class HAProxy:
    """Runs a configuration that has no `global` section. `command` is what runs it, HAProxy's path as a rule."""

    def __init__(self, command: Sequence[str], folder: Path, configuration: str):
        self._socket_path = folder / "admin.sock"
        self._log_path = folder / "haproxy.log"
        (folder / "global.cfg").write_text(GLOBAL.format(folder=folder))
        (folder / "haproxy.cfg").write_text(configuration)
        files = [word for name in ("global.cfg", "haproxy.cfg") for word in ("-f", str(folder / name))]
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-db", *files], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Until it answers to commands."""
        wait_for(self._is_ready, "HAProxy to be ready")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            return "Uptime" in self.ask("show info")
        except OSError:
            return False

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def ask(self, command: str) -> str:
        """The answer to a command of its statistics socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(LONGEST)
            sock.connect(str(self._socket_path))
            sock.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()

    def type(self, command: str) -> str:
        """What a shell prints for a command of a document, in which the socket is where Debian has it."""
        assert DEBIANS_SOCKET in command
        text = command.replace(DEBIANS_SOCKET, str(self._socket_path))
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True, timeout=LONGEST).stdout

    def read_statistics(self, name: str) -> dict[str, str]:
        """The row of "backend/server"; of what "show stat" has the columns by their names."""
        rows = csv.DictReader(self.ask("show stat").removeprefix("# ").splitlines())
        return next(row for row in rows if f"{row['pxname']}/{row['svname']}" == name)

    def count_sessions(self, name: str) -> int:
        """How many connections were handed to a server since the start."""
        return int(self.read_statistics(name)["stot"])

    def wait_until(self, name: str, status: str) -> None:
        """Until a server is "UP", "DOWN" or what else its status says."""
        wait_for(lambda: self.read_statistics(name)["status"].split()[0] == status, f"{name} to be {status}")

    def finish(self) -> None:
        """End it, with the connections that it has."""
        self._process.terminate()
        self._process.wait(LONGEST)
