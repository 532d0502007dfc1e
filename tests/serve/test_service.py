"""What a service is to those around it: the shell that starts it, systemd, its pid file, and gemctl."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import IS_ROOT, need_root

from .conftest import Daemon, is_alive, session_members, title_of, wait_for
from .load import Load
from .succession import HOST, SERVICE, Succession, descriptors, tell, workers_of, write_script
from .test_processes import cpu_ticks

USER = 'user = "root"\n' if os.geteuid() == 0 else ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


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

    def configure(self, more: str = "") -> None:
        text = f'listen = ["127.0.0.1:{self.port}"]\n{USER}{SERVICE}{more}[log]\naccess = "{{tmp}}/access.log"\n'
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

    def ask(self) -> bytes:
        with Load(self.port, "/", clients=1) as load:
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


def test_workers_that_never_serve_are_told_to_the_shell(detached, tmp_path):
    """As where the program was installed by halves: this one's workers can't begin."""
    code = "import gemd.worker.main as w; w._serve = None; from gemd.__main__ import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "-d", "-c", str(detached.conf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6
    assert str(detached.log) in done.stderr
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


# The pid file


def test_the_pid_file_is_never_absent_while_it_reloads(configure, tmp_path):
    daemon = configure(SERVICE + HOST)
    path = tmp_path / "gemd.pid"
    wait_for(path.exists, "the pid file")
    seen, is_over = set(), threading.Event()

    def watch():
        while not is_over.is_set():
            try:
                seen.add(path.read_text())
            except OSError as error:
                seen.add(repr(error))

    thread = threading.Thread(target=watch)
    thread.start()
    for nr in range(1, 21):
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda nr=nr: daemon.errors.count("reloaded: ") == nr, "the reload")
    is_over.set()
    thread.join()
    assert seen == {f"{daemon.process.pid}\n"}
    assert daemon.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "no number\n", "1\n"])
def test_what_another_left_in_the_pid_file_is_not_believed(configure, tmp_path, content):
    (tmp_path / "gemd.pid").write_text(content)
    daemon = configure(SERVICE + HOST)
    wait_for(lambda: (tmp_path / "gemd.pid").read_text() == f"{daemon.process.pid}\n", "the pid file")
    assert stat.S_IMODE((tmp_path / "gemd.pid").stat().st_mode) == 0o644


def test_after_a_killed_master_the_next_start_serves_at_once(configure, tmp_path, capsule):
    """Although a script of the old one still runs, and its pid file and control socket lie about."""
    write_script(capsule, "endless", "printf '20 text/plain\\r\\n'\nexec sleep 600\n")
    daemon = configure(SERVICE + HOST)
    daemon.expect("the master is gone", "broke off")
    wait_for((tmp_path / "gemd.pid").exists, "the pid file")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/endless").encode() + b"\r\n")
        assert tls.recv(2) == b"20"
        daemon.process.kill()
        daemon.process.wait()
        again = configure(SERVICE + f'listen = ["127.0.0.1:{daemon.port}"]\n{USER}' + HOST)
        assert again.ask("/").status == 20
        wait_for(lambda: (tmp_path / "gemd.pid").read_text() == f"{again.process.pid}\n", "its own pid in the file")
        assert tell(tmp_path / "control.sock", "status")["status"]["pid"] == again.process.pid
        assert again.stop() == 0
    wait_for(lambda: not session_members(daemon.process.pid), "what the first one left to be gone", 30)


# systemd


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
import os, sys
given = [int(fd) for fd in sys.argv[1].split(",")]
high = [os.dup2(fd, 100 + nr) for nr, fd in enumerate(given)]
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
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded: " in daemon.errors, "the reload")
        assert daemon.ask("/").status == 20


def test_sockets_meant_for_another_process_are_left_alone(configure):
    daemon = configure(HOST, env={"LISTEN_PID": "1", "LISTEN_FDS": "1", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    assert daemon.ask("/").status == 20


# gemctl


def gemctl(conf: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gemd.gemctl", "-c", str(conf), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_gemctl_from_the_first_status_to_the_stop(configure, tmp_path):
    daemon = configure(SERVICE + HOST + '[log]\naccess = "{tmp}/daemon0/access.log"\n')
    service = Succession(daemon, tmp_path)
    conf = tmp_path / "gemd.conf"
    wait_for(lambda: service.control_path.exists() and service.has_workers(2), "two workers")
    assert stat.S_IMODE(service.control_path.stat().st_mode) == 0o600

    first = json.loads(gemctl(conf, "status", "--json").stdout)
    assert (first["pid"], first["generation"], len(first["workers"])) == (daemon.process.pid, 1, 2)

    done = gemctl(conf, "reload")
    assert (done.returncode, "generation 2 serves" in done.stdout) == (0, True), done
    assert json.loads(gemctl(conf, "status", "--json").stdout)["generation"] == 2

    (daemon.folder / "access.log").rename(daemon.folder / "access.log.1")
    assert gemctl(conf, "reopen").returncode == 0
    assert daemon.ask("/").status == 20
    wait_for(lambda: len(daemon.access) == 1, "a line in the new file")

    good = conf.read_text()
    conf.write_text("wrkers = 1\n" + good)
    daemon.expect("not reloaded: ", "not upgraded: ")
    for command in ("reload", "upgrade"):
        done = gemctl(conf, command)
        assert done.returncode == 1, done
        assert done.stderr
    assert service.pid == daemon.process.pid
    conf.write_text(good)

    done = gemctl(conf, "upgrade")
    assert done.returncode == 0, done
    wait_for(lambda: service.pid != daemon.process.pid, "the new master")
    assert str(service.pid) in done.stdout
    assert json.loads(gemctl(conf, "status", "--json").stdout)["pid"] == service.pid
    wait_for(lambda: daemon.process.poll() == 0, "the old master to leave")

    new = service.pid
    done = gemctl(conf, "stop")
    assert done.returncode == 0, done
    assert not is_alive(new)
    assert not service.control_path.exists()
    assert gemctl(conf, "status").returncode != 0


def test_open_descriptors_are_counted(configure, tmp_path):
    daemon, control = configure(SERVICE + HOST), tmp_path / "control.sock"
    before = descriptors(control)
    master = tell(control, "status")["status"]["descriptors"]
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(daemon.tls())
        wait_for(lambda: sum(descriptors(control).values()) == sum(before.values()) + 20, "twenty connections")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(str(control))
            # who connects may not have been let in yet, when the next one asks
            wait_for(lambda: tell(control, "status")["status"]["descriptors"] == master + 1, "another caller")
    wait_for(lambda: descriptors(control) == before, "everybody to have left")
    assert tell(control, "status")["status"]["descriptors"] == master
    if IS_ROOT:
        # less the directory by which a worker counts; the master's caller has left
        assert {pid: len(os.listdir(f"/proc/{pid}/fd")) - 1 for pid in daemon.workers} == before
        assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) == master - 1


def test_a_caller_that_says_nothing_useful_is_answered(configure, tmp_path):
    configure(SERVICE + HOST)
    path = tmp_path / "control.sock"
    wait_for(path.exists, "the control socket")
    for line in (b"nonsense\n", b"[]\n", b'{"command": 1}\n', b'{"command": "exec"}\n', b'"\xff"\n'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(60)
            sock.connect(str(path))
            sock.sendall(line)
            assert json.loads(sock.makefile("rb").readline())["ok"] is False


@pytest.mark.slow
def test_callers_that_say_nothing_are_hung_up_on(configure, tmp_path):
    daemon = configure(SERVICE + HOST)
    path = tmp_path / "control.sock"
    wait_for(path.exists, "the control socket")
    idle = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(40)]  # more than are heard at a time
    with contextlib.ExitStack() as stack:
        for sock in idle:
            stack.enter_context(sock)
            sock.settimeout(60)
            sock.connect(str(path))
        ticks = cpu_ticks(daemon.process.pid)
        assert idle[0].recv(100) == b""  # after five seconds
        assert cpu_ticks(daemon.process.pid) - ticks < 250  # who can't come in does not keep it awake
        assert tell(path, "status")["ok"]
