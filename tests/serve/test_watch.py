"""`gemctl status --watch` by a server that recycles, reloads, upgrades, ends and comes back."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import LONGEST, wait_for
from .succession import HOST, SERVICE, Succession

RATE = re.compile(r" ([0-9,]+) requests \(([0-9.,]+)/s\), .* sent \(([0-9.]+) (\w+)/s\)")


class Watcher:
    """It writes lines to a file."""

    def __init__(self, folder: Path):
        self._path = folder / "watched"
        self._read = 0
        command = [sys.executable, "-m", "gemd.gemctl", "-c", folder / "gemd.conf", "status", "--watch", "0.1"]
        with self._path.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    @property
    def text(self) -> str:
        return self._path.read_text()

    def wait_for(self, pattern: str) -> None:
        """Wait for what matches behind the last thing that was waited for."""
        self._read = wait_for(lambda: re.compile(pattern).search(self.text, self._read), pattern).end()


@pytest.fixture
def watch(tmp_path):
    watchers = []

    def start() -> Watcher:
        watchers.append(Watcher(tmp_path))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.process.kill()
        watcher.process.wait()


def test_no_rate_is_wild_whatever_becomes_of_the_server(configure, tmp_path, watch):
    text = "max-requests = 5\n" + SERVICE + HOST
    service = Succession(configure(text), tmp_path)
    wait_for(lambda: service.control_path.exists() and service.has_workers(2), "two workers")
    asked = 30
    for _ in range(asked):
        assert service.ask().status == 20
    watcher = watch()
    watcher.wait_for(f" {asked} requests ")
    for _ in range(asked):  # workers are recycled meanwhile, with all that they had counted
        assert service.ask().status == 20
    watcher.wait_for(rf" {2 * asked} requests \(0\.0/s\)")
    service.send(signal.SIGHUP)
    watcher.wait_for("; a reload: generation 2 serves")
    with service:
        old = service.pid
        service.upgrade()
        watcher.wait_for(f"; another master, {service.pid}: its counters begin with 0")
        assert service.pid != old
        watcher.wait_for(r" requests \(0\.0/s\)")
    watcher.wait_for("gemd does not run")
    daemon = configure(text)
    watcher.wait_for("gemd answers again, after ")
    assert daemon.ask().status == 20
    watcher.wait_for(r" 1 requests \(")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(LONGEST) == 0
    rates = list(RATE.finditer(watcher.text))
    assert rates
    assert all(float(match[2].replace(",", "")) <= 10 * 2 * asked for match in rates), watcher.text
    assert not re.search(r"-\d[0-9.]* ?\w*/s", watcher.text)
    assert "\x1b" not in watcher.text
