"""What a service manager hears, and sockets that it hands over."""

import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import IS_ROOT

from .conftest import Daemon, wait_for
from .load import Load
from .services import USER
from .succession import HOST, SERVICE, Succession, write_script


@dataclass
class Message:
    pid: int  # who sent it
    lines: list[str]


class Manager:
    """The service manager's end: a datagram socket, whose reader keeps what it is told, and by whom."""

    def __init__(self, address: str):
        self.address = address
        self.messages: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(4096, 64)
            if data == b"that is all":
                return
            pid = struct.unpack("3i", ancillary[0][2])[0]
            self.messages.append(Message(pid, data.decode().splitlines()))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"that is all", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def settle(self) -> int:
        """How many messages there were by now."""
        before = len(self.messages)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"MARK", self._socket.getsockname())
        return self.wait_for("MARK", before) + 1

    def find(self, line: str, start: int = 0) -> int | None:
        """The number of the first message with this line, or one that begins so, from number `start` on."""
        for nr, message in enumerate(self.messages[start:], start):
            if any(told.startswith(line) for told in message.lines):
                return nr
        return None

    def wait_for(self, line: str, start: int = 0) -> int:
        wait_for(lambda: self.find(line, start) is not None, line)
        found = self.find(line, start)
        assert found is not None
        return found


@pytest.fixture
def manager(tmp_path):
    one = Manager(str(tmp_path / "notify"))
    yield one
    one.close()


def test_systemd_is_told_of_each_turn(configure, tmp_path, manager):
    daemon = configure(SERVICE + HOST, env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"})
    master = daemon.process.pid
    ready = manager.wait_for("READY=1")
    assert (tmp_path / "gemd.pid").read_text() == f"{master}\n"
    status = manager.wait_for("STATUS=serving: ")
    manager.wait_for("WATCHDOG=1", ready)
    assert daemon.ask("/").status == 20
    wait_for(lambda: manager.find("STATUS=serving: 2 of 2 workers, 1 requests"), "the count of requests")

    began = time.monotonic_ns() // 1000
    daemon.process.send_signal(signal.SIGHUP)
    reloading = manager.wait_for("RELOADING=1", status)
    usec = next(line for line in manager.messages[reloading].lines if line.startswith("MONOTONIC_USEC="))
    assert began <= int(usec.partition("=")[2]) <= time.monotonic_ns() // 1000
    again = manager.wait_for("READY=1", reloading)

    daemon.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1", again)
    assert daemon.process.wait(60) == 0
    assert {message.pid for message in manager.messages} == {master}


def test_a_reload_that_fails_is_over_too(configure, tmp_path, manager):
    daemon = configure(SERVICE + HOST, env={"NOTIFY_SOCKET": manager.address})
    daemon.expect("not reloaded: ")
    ready = manager.wait_for("READY=1")
    (tmp_path / "gemd.conf").write_text("nonsense")
    daemon.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY=1", manager.wait_for("RELOADING=1", ready))
    assert manager.find("WATCHDOG=1") is None  # nobody asked for it


def test_a_master_that_does_not_turn_does_not_soothe_the_watchdog(configure, manager):
    daemon = configure(HOST, env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"})
    manager.wait_for("WATCHDOG=1")
    os.kill(daemon.process.pid, signal.SIGSTOP)
    wait_for(lambda: "\nState:\tT" in Path(f"/proc/{daemon.process.pid}/status").read_text(), "the master to stop")
    count = manager.settle()
    time.sleep(1.5)  # a turn takes a second at most
    assert len(manager.messages) == count
    os.kill(daemon.process.pid, signal.SIGCONT)
    manager.wait_for("WATCHDOG=1", count)


def test_systemd_follows_an_upgrade(configure, tmp_path, manager):
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"}
    with Succession(configure(SERVICE + HOST, env=env), tmp_path) as service:
        old = service.pid
        ready = manager.wait_for("READY=1")
        service.upgrade()
        new = service.pid
        told = manager.wait_for(f"MAINPID={new}", ready)
        assert manager.messages[told].pid == old
        manager.wait_for("WATCHDOG=1", told)
        manager.wait_for("STATUS=serving: ", told)
        after = [message for message in manager.messages[told + 1 :] if message.lines != ["STOPPING=1"]]
        assert {message.pid for message in after} == {new}
        assert not any(message.lines == ["STOPPING=1"] for message in manager.messages)
        # The old one's child it is not, so that systemd may take it for the main process.
        assert f"\nPPid:\t{old}\n" not in Path(f"/proc/{new}/status").read_text()


def test_an_abstract_socket_will_do(configure):
    manager = Manager(f"@gemd-test-{os.getpid()}")
    daemon = configure(HOST, env={"NOTIFY_SOCKET": manager.address})
    manager.wait_for("READY=1")
    assert daemon.stop() == 0
    manager.wait_for("STOPPING=1")
    manager.close()


# Sockets from systemd


ACTIVATE = """
import fcntl, os, sys
given = [int(fd) for fd in sys.argv[1].split(",")]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in given]  # numbers that are nobody's
for nr, fd in enumerate(high):
    os.dup2(fd, 3 + nr)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES="gemini:more")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Activated(Daemon):
    """Started as systemd starts the service of a socket unit: with sockets that are blocking and survive exec."""

    def __init__(self, folder: Path, conf: Path, sockets: list[socket.socket]):
        self.folder, self.error_path, self.expected = folder, folder / "error.log", []
        numbers = [sock.fileno() for sock in sockets]
        command = [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers))]
        options = ["-X", "dev", "-W", "error::ResourceWarning", "-m", "gemd", "-c", str(conf)]
        with self.error_path.open("wb") as log, (folder / "access.log").open("wb") as access:
            self.process = subprocess.Popen(
                [*command, *options], stdout=access, stderr=log, pass_fds=numbers, start_new_session=True
            )
        self.port = sockets[0].getsockname()[1]


@pytest.fixture
def activate(tmp_path, capsule):
    """Start with these sockets, by a configuration."""
    daemons = []

    def activate_it(text: str, sockets: list[socket.socket]) -> Activated:
        conf = tmp_path / "gemd.conf"
        conf.write_text(USER + text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
        folder = tmp_path / f"activated{len(daemons)}"
        folder.mkdir()
        daemons.append(Activated(folder, conf, sockets))
        wait_for(lambda: "listening on" in daemons[-1].errors, "gemd to listen")
        wait_for(lambda: len(daemons[-1].workers) == 2, "two workers")
        return daemons[-1]

    yield activate_it
    for daemon in daemons:
        daemon.finish()


LOOK = """printf '20 text/plain\\r\\n'
env
for entry in /proc/$$/fd/*; do [ -e "$entry" ] && echo "descriptor ${entry##*/}"; done
true
"""


def test_sockets_of_systemd_are_served_and_nobody_else_gets_them(activate, capsule):
    write_script(capsule, "look", LOOK)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        daemon = activate('listen = ["127.0.0.1:1"]\nworkers = 2\n' + HOST, [one, two])  # `listen` is not looked at
        ports = {sock.getsockname()[1] for sock in (one, two)}
        assert f"127.0.0.1:{min(ports)}" in daemon.errors
        assert f"127.0.0.1:{max(ports)}" in daemon.errors
        for sock in (one, two):
            assert fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK  # of the socket, which all who have it share
        if IS_ROOT:
            for pid in (daemon.process.pid, *daemon.workers):
                for number in (3, 4):
                    flags = int(re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{number}").read_text())[1], 8)
                    assert flags & os.O_CLOEXEC
                    assert flags & os.O_NONBLOCK
        assert daemon.ask("/").text == "# A capsule\n"
        with Load(two.getsockname()[1], "/", clients=1) as load:
            wait_for(lambda: load.answers or load.failures, "an answer at the other socket")
        seen = daemon.ask("/cgi-bin/look").text.splitlines()
    assert [line for line in seen if re.match("LISTEN_|NOTIFY_|WATCHDOG_|GEMD_|MAINPID", line)] == []
    assert {line for line in seen if line.startswith("descriptor ")} <= {f"descriptor {n}" for n in (0, 1, 2, 10, 255)}
    assert "descriptor 3" not in seen


def test_a_restart_behind_a_socket_of_systemd_refuses_nobody(activate, capsule):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as sock:
        daemon = activate("workers = 2\n" + HOST, [sock])
        with Load(daemon.port, "/", clients=4) as load:
            for _ in range(2):
                load.wait_for_more(20)
                assert daemon.stop() == 0
                daemon = activate("workers = 2\n" + HOST, [sock])
            load.wait_for_more(20)
        assert load.failures == []


def test_a_reload_keeps_the_sockets_of_systemd(activate):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        daemon = activate("workers = 2\n" + HOST, [sock])
        daemon.reload()
        assert daemon.ask("/").status == 20


def test_sockets_meant_for_another_process_are_left_alone(configure):
    daemon = configure(HOST, env={"LISTEN_PID": "1", "LISTEN_FDS": "1", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    assert daemon.ask("/").status == 20


# gemctl
