"""A gemd whose master may change, and clients that go on asking meanwhile: for changes.py and download.py.

Rules: whoever the pid file names is the master; only processes of the session that was started here are signalled, and
none of them is left at the end. Linux only.
"""

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import measure
import prepare
from measure import MeasureError, Server
from prepare import PAGE_SIZE, Site

LONGEST_WAIT = 60.0
_SCRIPT = "#!/bin/sh\nsleep 0.3\nprintf '20 text/plain\\r\\nslow\\n'\n"
_CLIENTS = {"/page.gmi": (12, PAGE_SIZE), "/cgi-bin/slow": (4, 5)}  # how many, and the body's size


class Service:
    """gemd with a pid file and a control socket; its master may change. `session` is the first one's pid."""

    def __init__(self, folder: Path, server: Server, session: int) -> None:
        self.folder = folder
        self.name = server.name
        self.port = server.port
        self.session = session
        self.pid_file = folder / f"{server.name}.pid"

    @property
    def pid(self) -> int:
        """The master's."""
        return int(self.pid_file.read_text())

    @property
    def workers(self) -> list[int]:
        """The master's children, oldest first."""
        return measure.children(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Send the master a signal, if it is one of ours."""
        pid = self.pid
        if os.getsid(pid) != self.session:
            raise MeasureError(f"the pid file names {pid}, which is not of gemd")
        os.kill(pid, number)

    def status(self) -> dict:
        """What the master says of itself."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(LONGEST_WAIT)
            sock.connect(str(self.folder / f"{self.name}.sock"))
            sock.sendall(b'{"command": "status"}\n')
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        return json.loads(answer)["status"]

    def logs(self, kind: str) -> list[Path]:
        """The files that the access or the error log has had."""
        return sorted(self.folder.glob(f"{self.name}-{kind}.log*"))

    def events(self) -> list[str]:
        """The lines of the error log, wherever it is."""
        paths = [self.folder / f"{self.name}.log", *self.logs("error")]
        return [line for path in paths for line in path.read_text().splitlines()]

    def members(self) -> list[int]:
        """All processes that are alive in the session; scripts have sessions of their own."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == self.session and fields[0] != b"Z":
                    found.append(int(path.parent.name))
        return found

    def stop(self) -> None:
        """End the last master, and whoever is left all the same."""
        with contextlib.suppress(OSError, MeasureError):
            self.send(signal.SIGTERM)
        if waits_for(lambda: not self.members(), LONGEST_WAIT):
            return
        for pid in self.members():
            print(f"left over and killed: {pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def run(site: Site, workers: int, name: str, *, keys: str = "", log: str = "") -> Iterator[Service]:
    """A gemd with a script, which is stopped at the end whoever is its master by then."""
    script = site.root / "cgi-bin/slow"
    script.parent.mkdir(exist_ok=True)
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    keys += f'pid-file = "{site.folder}/{name}.pid"\ncontrol = "{site.folder}/{name}.sock"\n'
    server = prepare.prepare_gemd(site, workers, name=name, keys=keys, log=log, host='cgi = "cgi-bin"\n')
    with measure.run(server) as running:
        service = Service(site.folder, server, running.pid)
        try:
            wait(service.pid_file.exists, "the pid file")
            yield service
            _show_errors(service)
        finally:
            service.stop()


def waits_for(condition: Callable[[], object], seconds: float) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return bool(is_true)


def wait(condition: Callable[[], object], what: str) -> None:
    if not waits_for(condition, LONGEST_WAIT):
        raise MeasureError(f"{what}: not within {LONGEST_WAIT:.0f} s")


def is_over(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def _show_errors(service: Service) -> None:
    bad = [line for line in service.events() if not re.search(r" (debug|info): ", line)]
    print("error log: clean" if not bad else "\n".join(["error log:", *bad[:20]]))


class Load:
    """The clients, for so many seconds; `finish` waits for their end."""

    def __init__(self, gemload: Path, port: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(len(_CLIENTS))
        self._found = {
            path: self._pool.submit(
                measure.load,
                *(gemload, port, path, "-b", str(size)),
                connections=count,
                seconds=seconds,
                timeout=seconds + LONGEST_WAIT,
            )
            for path, (count, size) in _CLIENTS.items()
        }

    @property
    def is_over(self) -> bool:
        """Whether some of them have ended."""
        return any(found.done() for found in self._found.values())

    def finish(self) -> dict[str, dict[str, float]]:
        """What gemload counted, by path."""
        try:
            return {path: found.result() for path, found in self._found.items()}
        finally:
            self._pool.shutdown()


def show_load(*rounds: dict[str, dict[str, float]]) -> int:
    """Print what came of it; how many requests there were."""
    total = 0
    for path, (count, _) in _CLIENTS.items():
        found = [one[path] for one in rounds]
        requests, ok = (int(sum(one[key] for one in found)) for key in ("requests", "ok"))
        faults = ", ".join(filter(None, map(measure.describe_faults, found)))
        p50, p99, longest = (max(one[key] for one in found) for key in ("p50_ms", "p99_ms", "max_ms"))
        print(
            f"{f'{count} clients, {path}':<26} {requests:>7} requests, {requests - ok} not ok ({faults or 'none'}), "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.0f} ms"
        )
        total += requests
    print(f"{'together':<26} {total:>7} requests")
    return total
