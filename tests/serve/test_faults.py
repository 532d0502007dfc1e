"""What runs out, breaks or goes mad around gemd: pages are served all the same, and it recovers by itself."""

import contextlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import need_root

from .conftest import children_of, wait_for, workers_of
from .load import Load
from .succession import HOST, SERVICE, tell
from .test_processes import cpu_ticks

LOG = '[log]\naccess = "{tmp}/logs/access.log"\n'
TOLD_OF = r"error: \d+ lines? of the log .*access\.log could not be written: No space left on device"
LINE = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "gemini://localhost:\d+/" 20 \d+')


@pytest.fixture
def logs(tmp_path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@pytest.fixture
def status(tmp_path):
    """What the master says of itself."""
    return lambda: tell(tmp_path / "control.sock", "status")["status"]


def whole_lines(logs: Path) -> int:
    return sum(bool(LINE.fullmatch(line)) for line in (logs / "access.log").read_text(errors="replace").splitlines())


@pytest.fixture
def small_disk(logs):
    """Make the log's folder a disk of 64 KB."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", logs], check=False)
    if done.returncode != 0:
        pytest.skip("a disk can't be mounted here")
    yield logs
    subprocess.run(["umount", "--lazy", logs], check=True)


def fill(path: Path) -> None:
    """Write until there is no space left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1024)):
            pass


@need_root
def test_a_full_disk_costs_lines_and_no_answers(small_disk, configure, status):
    daemon = configure(SERVICE + LOG + HOST)
    daemon.expect(TOLD_OF)
    log, filler = small_disk / "access.log", small_disk / "filler"
    with Load(daemon.port, "/", clients=4) as load:
        load.wait_for_more(20)
        fill(filler)
        wait_for(lambda: status()["dropped"] > 20, "lines that are dropped", 60)
        size = log.stat().st_size
        load.wait_for_more(20)
        assert log.stat().st_size == size
        filler.unlink()
        before = whole_lines(small_disk)
        wait_for(lambda: whole_lines(small_disk) > before + 20, "lines again", 60)
    assert load.failures == []
    assert re.search(TOLD_OF, daemon.errors)
    # Each answer has its whole line, or is counted as having none.
    wait_for(lambda: whole_lines(small_disk) + status()["dropped"] == load.answered, "the last count")
    assert daemon.stop() == 0


@need_root
def test_a_log_that_refuses_writes_costs_lines_and_no_answers(configure, logs, status, need_program):
    strace = need_program("strace")
    daemon = configure(SERVICE + LOG + HOST)
    daemon.expect(TOLD_OF)
    inject = ["-e", "trace=write", "-e", "inject=write:error=ENOSPC", "-P", str(logs / "access.log")]
    tracers = []
    for pid in daemon.workers:
        command = [strace, "-qq", "-f", "-o", "/dev/null", "-p", str(pid), *inject]
        tracers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        wait_for(lambda pid=pid: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text(), "strace")
    with Load(daemon.port, "/", clients=4) as load:
        wait_for(lambda: status()["dropped"] >= 20, "lines that are dropped", 60)
        assert whole_lines(logs) == 0
        for tracer in tracers:
            tracer.terminate()
            tracer.wait()
        wait_for(lambda: whole_lines(logs) >= 20, "lines again", 60)
    assert load.failures == []
    wait_for(lambda: whole_lines(logs) + status()["dropped"] == load.answered, "the last count")


def test_service_recovers_from_a_storm_of_crashes(configure, status):
    daemon = configure(SERVICE + HOST)
    daemon.expect("was killed by SIGKILL")
    killed: set[int] = set()
    wait_for(lambda: [w["state"] for w in status()["workers"]] == ["serving"] * 2, "two workers that serve")
    while len(killed) < 5:
        for pid in children_of(daemon.process.pid):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.01)
    wait_for(lambda: len(workers_of(daemon.process.pid)) == 2, "two workers", 60)
    wait_for(lambda: [w["state"] for w in status()["workers"]] == ["serving"] * 2, "both to serve")
    assert status()["deaths"] == len(killed)
    assert daemon.ask("/").status == 20


def test_a_master_out_of_descriptors_refuses_changes_and_goes_on(configure, tmp_path, status):
    daemon = configure(SERVICE + HOST)
    daemon.expect("not reloaded: ", "not upgraded: ", "can't fork worker", "was killed by SIGKILL")
    daemon.expect("fault in the master")
    master, workers = daemon.process.pid, daemon.workers
    assert status()["state"] == "serving"
    free = status()["descriptors"] - 1  # that of the caller, who came last
    before = resource.prlimit(master, resource.RLIMIT_NOFILE)
    resource.prlimit(master, resource.RLIMIT_NOFILE, (free, before[1]))
    for number, said in ((signal.SIGHUP, "not reloaded: "), (signal.SIGUSR2, "not upgraded: ")):
        daemon.process.send_signal(number)
        wait_for(lambda said=said: said in daemon.errors, said)
        assert "Too many open files" in daemon.errors.splitlines()[-1]
        assert daemon.workers == workers
    os.kill(workers[0], signal.SIGKILL)
    wait_for(lambda: "can't fork worker 1: Too many open files" in daemon.errors, "the failure to fork")
    assert daemon.ask("/").status == 20

    with contextlib.ExitStack() as stack:
        for _ in range(3):  # callers, of whom one may come in: a worker has left its descriptor
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            sock.connect(str(tmp_path / "control.sock"))
        ticks = cpu_ticks(master)
        time.sleep(1.5)  # the time in which it would spin
        assert cpu_ticks(master) - ticks < 75
    resource.prlimit(master, resource.RLIMIT_NOFILE, before)
    wait_for(lambda: len(daemon.workers) == 2, "the second worker")
    assert "Traceback" not in daemon.errors
    assert status()["generation"] == 1
    daemon.reload()


def test_a_storm_of_signals_under_load_breaks_nothing(configure, status, logs):
    daemon = configure(SERVICE + LOG + HOST)
    numbers = [signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU]
    dice = random.Random(4)
    with Load(daemon.port, "/", clients=4) as load:
        for _ in range(1000):
            daemon.process.send_signal(dice.choice(numbers))
            time.sleep(0.002)
        load.wait_for_more(20)
        reloads = status()["reloads"]
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: status()["reloads"] > reloads and status()["state"] == "serving", "the last reload", 60)
        wait_for(lambda: [w["state"] for w in status()["workers"]] == ["serving"] * 2, "two workers", 60)
        load.wait_for_more(20)
    assert load.failures == []
    assert status()["deaths"] == 0
    wait_for(lambda: whole_lines(logs) == load.answered, "the last lines, which follow their answers")
