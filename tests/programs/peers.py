"""Programs of others that answer by FastCGI and SCGI, each started for a test in a session of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.waiting import LONGEST, wait_for

GATEWAYS = Path(__file__).parent / "gateways"

_FPM = """\
[global]
daemonize = no
error_log = {folder}/php-fpm.log
[pages]
listen = {folder}/php.sock
pm = static
pm.max_children = 2
catch_workers_output = yes
php_admin_flag[display_errors] = off
php_admin_flag[log_errors] = on
{user}
"""


class Peer:
    """A program that is ready when it listens at `path`, if that is given. What it says is in `log`."""

    def __init__(self, folder: Path, name: str, command: Sequence[str], path: Path | None, **options) -> None:
        self._log_path = folder / f"{name}.out"
        self._path = path
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
            )

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log_path.read_text(errors="backslashreplace")

    def wait_until_ready(self) -> "Peer":
        """Until somebody answers at its path."""
        wait_for(self._is_ready, f"{self._process.args} to be ready")
        return self

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
            sock.connect(str(self._path))
            return True
        return self._path is None

    def stop(self) -> None:
        """End it, and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(LONGEST)
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def start_fcgiwrap(program: str, folder: Path) -> Peer:
    """Debian's fcgiwrap, at FOLDER/wrap.sock, which passes on what scripts complain of."""
    path = folder / "wrap.sock"
    return Peer(folder, "fcgiwrap", [program, "-f", "-c", "2", "-s", f"unix:{path}"], path)


def start_php(program: str, folder: Path) -> Peer:
    """PHP's own manager of processes, at FOLDER/php.sock, as whoever runs the test."""
    is_root = os.geteuid() == 0
    text = _FPM.format(folder=folder, user="user = root\ngroup = root" if is_root else "")
    (folder / "php-fpm.conf").write_text(text)
    flags = ["-R"] if is_root else []
    path = folder / "php.sock"
    return Peer(folder, "php-fpm", [program, "-n", *flags, "-y", str(folder / "php-fpm.conf")], path)


def start_flup(folder: Path, kind: str, number: str = "") -> Peer:
    """An application for WSGI by flup, at FOLDER/KIND.sock, or FOLDER/KIND with a number."""
    path = folder / f"{kind}{number}.sock"
    return Peer(folder, f"flup-{kind}{number}", [sys.executable, str(GATEWAYS / "wsgi.py"), kind, str(path)], path)


def start_scgi(folder: Path, listener: socket.socket) -> Peer:
    """An application by the package scgi, which takes over a socket."""
    fd = listener.fileno()
    command = [sys.executable, str(GATEWAYS / "scgi_pages.py"), str(fd)]
    return Peer(folder, "scgi", command, None, pass_fds=[fd])
