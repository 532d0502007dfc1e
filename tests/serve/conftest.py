"""The real daemon, run for one story, and a client that sees every byte."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gemd.system.landlock import find_version
from tests.support.processes import is_alive
from tests.support.tls_client import is_cut, make_context
from tests.support.waiting import LONGEST, wait_for

from .uploading import Gemctl

AS_ROOT = ("--user", "root") if os.geteuid() == 0 else ()


@dataclass
class Answer:
    """One response as it came over the wire."""

    raw: bytes
    complete: bool  # ended with close_notify
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)  # when each piece came, from the request on

    @property
    def header(self) -> str:
        return self.raw.partition(b"\r\n")[0].decode()

    @property
    def status(self) -> int:
        return int(self.header[:2])

    @property
    def meta(self) -> str:
        return self.header[3:]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n")[2]

    @property
    def text(self) -> str:
        return self.body.decode()


def workers_of(master: int) -> list[int]:
    """Its workers that serve, as their title says."""
    return [pid for pid in children_of(master) if is_alive(pid) and re.fullmatch(r"gemd: worker \d+", title_of(pid))]


def title_of(pid: int) -> str:
    """What `ps` shows of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def session_members(session: int) -> list[int]:
    """The living processes of a session."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == session and is_alive(int(entry.name)):
                    members.append(int(entry.name))
    return members


class Daemon:
    """A running gemd. Its standard streams are the logs, unless `keeps_logs` says that it opens these itself.

    `within` is a command that becomes it.
    """

    stream_path: Path | None = None  # of standard error, where that is not the log

    def __init__(
        self,
        folder: Path,
        arguments: list[str],
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        keeps_logs: bool = False,
        within: tuple[str, ...] = (),
    ):
        self.folder = folder
        self.error_path = folder / "error.log"
        self.expected: list[str] = [] if find_version() else ["scripts are not confined"]
        access_path, error_path = folder / "access.log", self.error_path
        if keeps_logs:
            access_path.touch()
            error_path.touch()
            access_path, error_path = folder / "stdout", folder / "stderr"
            self.stream_path = error_path
        with error_path.open("wb") as log, access_path.open("wb") as access:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-m", "gemd", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=access,
                stderr=log,
                env={
                    **os.environ,
                    "XDG_DATA_HOME": str(folder / "data"),
                    "STATE_DIRECTORY": str(folder / "data" / "gemd"),
                    **(env or {}),
                },
                cwd=cwd or folder,
                start_new_session=True,
            )
        self.port = 0

    def wait_until_ready(self, workers: int = 2) -> "Daemon":
        def listening():
            if self.process.poll() is not None:
                raise AssertionError(f"gemd ended with {self.process.returncode}: {self.errors}")
            return re.search(r"listening on (?:.*?127\.0\.0\.1:|.*?\]:)(\d+)", self.errors)

        self.port = int(wait_for(listening, "gemd to listen")[1])
        wait_for(lambda: len(self.workers) >= workers, f"{workers} workers")
        return self

    @property
    def errors(self) -> str:
        return self.error_path.read_text()

    @property
    def access(self) -> list[str]:
        return (self.folder / "access.log").read_text().splitlines()

    @property
    def workers(self) -> list[int]:
        """Those that serve."""
        return workers_of(self.process.pid)

    def expect(self, *patterns: str) -> None:
        """Complaints in the error log that belong to the story."""
        self.expected += patterns

    def connect(self, timeout: float = LONGEST, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout, source_address=(source, 0))

    def tls(
        self, name: str | None = "localhost", cert: Path | None = None, source: str = "127.0.0.1", **options
    ) -> ssl.SSLSocket:
        context = make_context()
        if cert is not None:
            context.load_cert_chain(cert)
        for key, value in options.items():
            setattr(context, key, value)
        return context.wrap_socket(self.connect(source=source), server_hostname=name, suppress_ragged_eofs=False)

    def url(self, path: str = "/", host: str = "localhost") -> str:
        return f"gemini://{host}:{self.port}{path}"

    def ask(self, path: str = "/", *, host: str = "localhost", **options) -> Answer:
        return self.send(self.url(path, host).encode() + b"\r\n", **options)

    def send(self, raw: bytes, *, name: str | None = "localhost", **options) -> Answer:
        with self.tls(name, **options) as tls:
            tls.sendall(raw)
            return read_answer(tls)

    def reload(self, words: str = "reloaded: generation") -> None:
        """Send HUP, and wait until the error log says how it went. Former workers take connections for a moment yet."""
        before = self.errors.count(words)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.errors.count(words) > before, words)

    def replace_workers(self) -> None:
        """Reload, and wait until the former workers have ended. Nobody may hold a connection of theirs."""
        former = set(self.workers)
        self.reload()
        wait_for(lambda: not former & set(self.workers), "the former workers to end")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(LONGEST)

    def finish(self) -> None:
        """The end of every story: it still answers, its error log is clean, nothing is left."""
        session = self.process.pid
        try:
            if self.process.poll() is None:
                assert self.ask("/").complete
                assert self.stop() == 0
            assert wait_for(lambda: not session_members(session), "all processes to be gone")
            self.check_errors()
        finally:
            for pid in session_members(session):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(LONGEST)

    def check_errors(self) -> None:
        others = self.stream_path.read_text() if self.stream_path is not None else ""
        for line in (self.errors + others).splitlines():
            is_complaint = re.search(r"\] (warning|error|critical): |Traceback|Warning|Exception", line)
            assert not is_complaint or any(re.search(p, line) for p in self.expected), line


def read_answer(tls: ssl.SSLSocket) -> Answer:
    start = time.monotonic()
    raw, times = bytearray(), []
    try:
        while chunk := tls.recv(65536):
            raw += chunk
            times.append(time.monotonic() - start)
        complete = True
    except OSError as error:
        if not is_cut(error):
            raise
        complete = False
    return Answer(bytes(raw), complete, time.monotonic() - start, times)


def connections_of(port: int, state: str) -> list[tuple[int, str]]:
    """The sockets of a TCP port in a state of /proc/net/tcp: the port of the peer, and the inode of each. A socket that
    no process has taken, or that none has any more, has "0" for an inode."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [line for line in lines if line[3] == state and int(line[1].rpartition(":")[2], 16) == port]
    return [(int(line[2].rpartition(":")[2], 16), line[9]) for line in ours]


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    """A root with a page, and a directory for scripts."""
    root = tmp_path / "capsule"
    (root / "cgi-bin").mkdir(parents=True)
    (root / "index.gmi").write_text("# A capsule\n")
    return root


@pytest.fixture
def start(tmp_path: Path):
    """Start daemons; each one's story is ended for it."""
    daemons: list[Daemon] = []

    def start_one(*arguments: str, as_root: bool = True, **options) -> Daemon:
        if as_root:
            arguments = (*arguments, *AS_ROOT)
        folder = tmp_path / f"daemon{len(daemons)}"
        folder.mkdir()
        daemon = Daemon(folder, [str(argument) for argument in arguments], **options)
        daemons.append(daemon)
        return daemon

    yield start_one
    for daemon in daemons:
        daemon.finish()


@pytest.fixture
def serve(start, capsule: Path):
    """Serve the capsule by flags, on a port of its own."""

    def serve_it(*arguments: str, **options) -> Daemon:
        return start("--dir", capsule, "--port", "0", *arguments, **options).wait_until_ready()

    return serve_it


@pytest.fixture
def configure(start, tmp_path: Path, capsule: Path):
    """Serve by a configuration: TOML text, with {root} and {tmp} to fill in."""

    def configure_it(text: str, **options) -> Daemon:
        path = tmp_path / "gemd.conf"
        path.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
        flags = () if "\nlisten = " in text else ("--host", "127.0.0.1", "--port", "0")
        as_root = not re.search("^user = ", text, re.M)
        workers = re.search(r"^workers = (\d+)$", text, re.M)
        daemon = start("-c", path, *flags, as_root=as_root, **options)
        return daemon.wait_until_ready(int(workers[1]) if workers else 2)

    return configure_it


@pytest.fixture
def gemctl(tmp_path: Path, capfd, monkeypatch) -> Gemctl:
    """The client, with a certificate of its own."""
    return Gemctl(tmp_path, capfd, monkeypatch)
