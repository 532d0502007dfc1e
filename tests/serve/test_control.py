"""The control socket, as gemctl and strangers use it."""

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import IS_ROOT

from .conftest import is_alive, wait_for
from .succession import HOST, SERVICE, Succession, descriptors, tell
from .test_processes import cpu_ticks


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


def test_callers_that_say_nothing_hold_nobody_up(configure, tmp_path):
    configure(SERVICE + HOST)
    path = tmp_path / "control.sock"
    wait_for(path.exists, "the control socket")
    with contextlib.ExitStack() as stack:
        for _ in range(45):  # more than are heard at a time
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            sock.settimeout(60)
            sock.connect(str(path))
        began = time.monotonic()
        assert tell(path, "status")["ok"]
        assert time.monotonic() - began < 3  # and not the five seconds for which a caller may say nothing


@pytest.mark.slow
def test_callers_that_say_nothing_are_hung_up_on(configure, tmp_path):
    daemon = configure(SERVICE + HOST)
    path = tmp_path / "control.sock"
    wait_for(path.exists, "the control socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        ticks = cpu_ticks(daemon.process.pid)
        assert sock.recv(100) == b""  # after five seconds
        assert cpu_ticks(daemon.process.pid) - ticks < 250
