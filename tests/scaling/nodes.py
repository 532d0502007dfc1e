"""A gemd on one of several machines, which is killed, stopped and started anew."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.serve.conftest import AS_ROOT, session_members, workers_of
from tests.serve.succession import tell
from tests.support.processes import is_alive
from tests.support.waiting import LONGEST, wait_for

WORKERS = 2


def has_living_thread(pid: int) -> bool:
    """Whether any thread of a process holds its descriptors: the first one may be a zombie long before the last."""
    with contextlib.suppress(OSError):
        return any(is_alive(int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir())
    return False


class Node:
    """Runs the configuration `text`; `before` are the words that have it run on its machine. The logs go on over its
    lives."""

    def __init__(self, folder: Path, text: str, before: tuple[str, ...] = ()):
        folder.mkdir()
        self.folder = folder
        self.control_path = folder / "control"
        self._conf = folder / "gemd.conf"
        self._conf.write_text(f'workers = {WORKERS}\ncontrol = "{self.control_path}"\n{text}')
        self._before = before
        self._expected: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def errors(self) -> str:
        return (self.folder / "error.log").read_text()

    @property
    def access(self) -> list[str]:
        return (self.folder / "access.log").read_text().splitlines()

    @property
    def requests(self) -> int:
        """How many were answered in this life, those of health checks among them."""
        return sum(worker["requests"] for worker in self.status()["workers"])

    def status(self) -> dict:
        return tell(self.control_path, "status")["status"]

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with (self.folder / "error.log").open("ab") as errors, (self.folder / "access.log").open("ab") as access:
            self._process = subprocess.Popen(
                [*self._before, sys.executable, "-X", "dev", "-m", "gemd", "-c", self._conf, *AS_ROOT],
                stdin=subprocess.DEVNULL,
                stdout=access,
                stderr=errors,
                env={**os.environ, "STATE_DIRECTORY": str(self.folder), "XDG_DATA_HOME": str(self.folder)},
                cwd=self.folder,
                start_new_session=True,
            )
        process = self._process

        def serves() -> bool:
            assert process.poll() is None, self.errors
            return len(workers_of(process.pid)) == WORKERS

        wait_for(serves, "gemd to serve")

    def signal_all(self, number: signal.Signals) -> None:
        """Signal each of its processes, the master first."""
        for pid in sorted(session_members(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> float:
        """As when the power fails; a time (monotonic) at which nothing of it was left, its listener neither."""
        pids = session_members(self._process.pid)
        self.signal_all(signal.SIGSTOP)  # so that none sees another one go, and says so
        self.signal_all(signal.SIGKILL)
        wait_for(lambda: not any(map(has_living_thread, pids)), "all of a node to be gone")
        gone = time.monotonic()
        self._process.wait(LONGEST)
        return gone

    def stop(self) -> None:
        """SIGTERM, and what it has accepted is finished."""
        self._process.terminate()
        assert self._process.wait(LONGEST) == 0
        wait_for(lambda: not session_members(self._process.pid), "all of a node to be gone")

    def upgrade(self) -> None:
        """A new master in place of the old one, by SIGUSR2."""
        old = self.status()["pid"]
        os.kill(old, signal.SIGUSR2)

        def is_new() -> bool:
            with contextlib.suppress(OSError):
                return self.status()["pid"] != old
            return False

        wait_for(is_new, "a new master")

    def expect(self, part: str) -> None:
        """A complaint in the error log that belongs to the story."""
        self._expected.append(part)

    def finish(self) -> None:
        """The end of every story: nothing is left, and the error log is clean."""
        if self._process is not None and session_members(self._process.pid):
            self.kill()
        complaints = [line for line in self.errors.splitlines() if re.search(r"\] (warning|error|critical): ", line)]
        unexpected = [line for line in complaints if not any(part in line for part in self._expected)]
        assert unexpected == [], self.errors
