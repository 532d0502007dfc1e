"""What systemd and a service tell each other: sockets it holds for us, and how we are (sd_listen_fds(3), sd_notify(3)).

Rules: the variables are taken out of the environment at once, so that no worker and no script ever sees them; a message
that can't be delivered costs a second at most.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping, MutableMapping

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_SEND_TIMEOUT = 1.0  # seconds for a manager whose queue is full to take what it must know


def take_listen_descriptors(environ: MutableMapping[str, str]) -> list[int]:
    """The descriptors of the listening sockets that systemd opened for this process; takes them from `environ`."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return list(range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)))


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether a standard stream leads to the journal: JOURNAL_STREAM names the device and inode of what does
    (systemd.exec(5))."""
    status = os.fstat(descriptor)
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Notifier:
    """Messages to the service manager; without one, to nobody.

    `variables` are what a successor needs in its environment to send them too. `watchdog_interval` is in
    seconds, None when nobody waits for signs of life.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Takes its variables from `environ`."""
        address = environ.pop("NOTIFY_SOCKET", "")
        interval, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        self.variables: dict[str, str] = {}
        self.watchdog_interval: float | None = None
        self._status = ""
        self._address = ""
        if address.startswith(("/", "@")):
            self._address = "\0" + address[1:] if address[0] == "@" else address
            self.variables["NOTIFY_SOCKET"] = address
            if interval.isdecimal() and int(interval) > 0 and pid in ("", str(os.getpid())):
                self.watchdog_interval = int(interval) / 1_000_000
                self.variables["WATCHDOG_USEC"] = interval

    def ready(self) -> None:
        """It serves, for the first time or again after `reloading`."""
        self._send("READY=1", timeout=_SEND_TIMEOUT)

    def reloading(self) -> None:
        """The configuration is being read again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", timeout=_SEND_TIMEOUT)

    def stopping(self) -> None:
        """It ends."""
        self._send("STOPPING=1", timeout=_SEND_TIMEOUT)

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it has changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        """A sign of life, if somebody waits for that."""
        if self.watchdog_interval is not None:
            self._send("WATCHDOG=1")

    def main_pid(self, pid: int) -> None:
        """Another process is the service from now on."""
        self._send(f"MAINPID={pid}", timeout=_SEND_TIMEOUT)

    def _send(self, *lines: str, timeout: float = 0.0) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.sendto("\n".join(lines).encode(), self._address)
