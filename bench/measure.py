"""Measures a server from outside: how soon it answers, the CPU and the memory of its whole process tree.

Rules: a server runs in a process group of its own, and only that group is ever signalled; CPU and memory come from
/proc and so hold on a machine that is busy with other things, where wall time does not. Linux only.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
HOST = "localhost"
_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_TIMEOUT = 5.0

Counted = dict[str, Any]  # what gemload prints: numbers, and the `group` of the key exchange


class MeasureError(Exception):
    """A server or the load generator did not do what a measurement needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server to run: its command in the foreground, and where it then listens. `log` gets what it prints. For
    `head_start` seconds it is asked nothing."""

    name: str
    command: Sequence[str | Path]
    port: int
    log: Path
    directory: Path | None = None
    head_start: float = 0.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `start_seconds` is the time from its start to the end of its first answer."""

    process: subprocess.Popen[bytes]
    start_seconds: float

    @property
    def pid(self) -> int:
        """The process that was started; its descendants are found from it."""
        return self.process.pid


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a whole process tree, in MiB. `pss` shares out the pages that processes share, `uss` leaves them out."""

    pss: float
    uss: float
    processes: int


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind((ADDRESS, 0))
        return int(sock.getsockname()[1])


def raise_descriptor_limit(needed: int) -> None:
    """Of this process and what it starts. Raises MeasureError when that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise MeasureError(f"{needed} descriptors are needed, and {hard} allowed: raise ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


# Starting and stopping


@contextlib.contextmanager
def run(server: Server, path: str = "/page.gmi", timeout: float = 15.0) -> Iterator[Running]:
    """Start a server, wait until it answers, and stop it at the end. Raises MeasureError when it never answers."""
    began = time.monotonic()
    process = start(server)
    try:
        time.sleep(server.head_start)
        wait_until_answers(process, server, path, timeout)
        yield Running(process, time.monotonic() - began)
    finally:
        stop(process)


def start(server: Server) -> subprocess.Popen[bytes]:
    """Start a server as the leader of a new process group."""
    with server.log.open("wb") as log:
        return subprocess.Popen(
            server.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=server.directory,
            start_new_session=True,
        )


def wait_until_answers(process: subprocess.Popen[bytes], server: Server, path: str, timeout: float) -> None:
    """Ask for `path` every few milliseconds until a header beginning with 20 comes.

    Raises MeasureError when `timeout` seconds pass without, or when the server ends.
    """
    deadline = time.monotonic() + timeout
    said = ""
    while time.monotonic() < deadline:
        if _has_ended(process):
            raise MeasureError(f"ended at once: {_last_lines(server.log)}")
        try:
            said = ask(server.port, path)
        except OSError:
            time.sleep(0.005)
            continue
        if said.startswith("20 "):
            return
        time.sleep(0.05)
    raise MeasureError(f"no answer within {timeout:.0f} s: {said or _last_lines(server.log)}")


def ask(port: int, path: str, timeout: float = 5.0) -> str:
    """Ask for one page and return the header without its end. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
    with (
        socket.create_connection((ADDRESS, port), timeout) as sock,
        context.wrap_socket(sock, server_hostname=HOST) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(f"gemini://{HOST}:{port}{path}\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.partition(b"\r\n")[0].decode("utf-8", "replace")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group that `start` made: SIGTERM, then SIGKILL for whoever is left."""
    # Its leader is reaped last: until then the group's number can't become anybody else's.
    _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it is over, without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it printed nothing"


# The process tree


def children(pid: int) -> list[int]:
    """The children of a process, oldest first; none when it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def tree(pid: int) -> list[int]:
    """A process and all of its descendants."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def cpu_seconds(pid: int) -> float:
    """User and system CPU of the tree so far: of each live process, and of all that each has reaped.

    The kernel counts in ticks of 10 ms, so measure some seconds' worth.
    """
    ticks = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            ticks += sum(_read_ticks(member))
    return ticks / _TICKS


def cpu_nanoseconds(pid: int) -> int:
    """The same, of live threads without ticks: a burst is enough. Threads that ended in a live process don't count."""
    spent = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                with contextlib.suppress(OSError):
                    spent += int((task / "schedstat").read_text().split()[0])
            spent += sum(_read_ticks(member)[2:]) * (1_000_000_000 // _TICKS)
    return spent


def _read_ticks(pid: int) -> list[int]:
    """A process's utime, stime, cutime and cstime, the fields 14 to 17 of proc(5). Raises OSError."""
    # The name before them may have any byte.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return [int(field) for field in fields[11:15]]


def memory(pid: int) -> Memory:
    """What the tree holds at the moment."""
    pss = uss = processes = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            rows = _read_kilobytes(Path(f"/proc/{member}/smaps_rollup"))
            pss += rows.get("Pss", 0)
            uss += rows.get("Private_Clean", 0) + rows.get("Private_Dirty", 0)
            processes += 1
    return Memory(pss / 1024, uss / 1024, processes)


def _read_kilobytes(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if row[-1] == "kB"}


def count_sockets(pid: int) -> int:
    """How many socket descriptors the tree has open."""
    sockets = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            for fd in Path(f"/proc/{member}/fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets += str(fd.readlink()).startswith("socket:")
    return sockets


def count_threads(pid: int) -> int:
    """How many threads the tree has."""
    threads = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            threads += len(list(Path(f"/proc/{member}/task").iterdir()))
    return threads


# Load


def pin(command: Sequence[str | Path], cpu: int | None) -> list[str | Path]:
    """The command, on this CPU alone; None lets it run where it may."""
    return [*(() if cpu is None else ("taskset", "-c", str(cpu))), *command]


def load(
    gemload: Path,
    port: int,
    path: str,
    *options: str,
    connections: int = 16,
    requests: int | None = None,
    seconds: float | None = None,
    timeout: float = 60.0,
    groups: str = "X25519",
    cpu: int | None = None,
) -> Counted:
    """What gemload counts; either `requests` in all, or for so many `seconds`. It offers `groups` for the key exchange,
    and runs on `cpu` alone if that is given. Raises MeasureError."""
    amount = ["-d", str(seconds)] if seconds is not None else ["-n", str(requests)]
    command = [str(gemload), "-c", str(connections), "-g", groups, *amount, *options, HOST, str(port), path]
    command = pin(command, cpu)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise MeasureError(f"the load did not end within {timeout:.0f} s") from None
    if done.returncode not in (0, 1):
        raise MeasureError(f"gemload ended with code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def load_and_count(
    gemload: Path, server: Server, running: Running, path: str, size: int, requests: int, connections: int
) -> tuple[Counted, float]:
    """What gemload says of answers that have to be of this size, and the server's CPU seconds meanwhile."""
    before = cpu_seconds(running.pid)
    counted = load(gemload, server.port, path, "-b", str(size), connections=connections, requests=requests)
    time.sleep(0.05)  # the last connections are still being closed
    return counted, cpu_seconds(running.pid) - before


def describe_faults(counted: Counted) -> str:
    """The requests that were not ok, by kind; "" when all were."""
    kinds = ("no_connection", "no_handshake", "no_answer", "bad_header", "bad_body", "no_close_notify")
    return ", ".join(f"{int(counted[kind])} {kind}" for kind in kinds if counted[kind])
