"""A script host as a process: what it becomes, what it says, and when it ends."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.host_processes import run_host
from gemd.shared.host_process import SIGN
from gemd.shared.script_host import ScriptHost, ScriptSetup
from gemd.system.confinement import Confinement
from gemd.system.hosted_script import HostedScript
from gemd.system.privileges import Identity, find_identity
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_start import ScriptFile
from tests.conftest import need_landlock
from tests.script_host.test_runs import read_all
from tests.serve.conftest import title_of
from tests.support.scripts import started
from tests.support.waiting import LONGEST, wait_for

need_prlimit = pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit(1)")


def somebody():
    """Who runs this, or else nobody."""
    if os.geteuid() == 0:
        return find_identity("nobody", None)
    return Identity("me", os.getuid(), os.getgid(), tuple(os.getgroups()))


@pytest.fixture
def start():
    """Start one, as the master does."""
    started = []

    def start(*, change=lambda text: text, **settings):
        given = {"identity": somebody(), "chroot": None, "confinement": None, **settings}
        host = ScriptHost(ScriptSetup(**given))
        channel, its = socket.socketpair()
        channel.settimeout(LONGEST)
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                run_host(host, its, host.served)
            os._exit(99)
        its.close()
        started.append((pid, host, channel))
        return SimpleNamespace(pid=pid, requests=host.requests, channel=channel, close=host.close)

    yield start
    for pid, host, channel in started:
        host.close()
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        channel.close()


def hear(host):
    """The next line."""
    text = b""
    while not text.endswith(b"\n"):
        data = host.channel.recv(1000)
        assert data, text
        text += data
    return text.decode()


def code_of(host):
    return os.waitstatus_to_exitcode(os.waitpid(host.pid, 0)[1])


@pytest.fixture
def public(tmp_path_factory):
    """A folder that everybody may read."""
    folder = Path(os.path.realpath("/tmp")) / f"gemd-script-host-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.fixture
def run(public):
    """What a script in sh says."""

    def run(host, text):
        path = public / "script"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        file = ScriptFile(str(path))
        script = started(HostedScript(host.requests, file, {"PATH": "/usr/bin:/bin"}, ScriptLimits()))
        file.close()
        try:
            return read_all(script).decode()
        finally:
            script.end()

    return run


def test_it_says_when_it_is_who_it_should_be(start, run):
    host = start()
    assert hear(host) == "ready\n"
    assert title_of(host.pid) == f"gemd: scripts of {somebody().name}"
    assert run(host, "id -u").split() == [str(somebody().uid)]


def test_a_script_can_become_nobody_else_and_inherits_nothing(start, run):
    host = start()
    said = run(host, "grep -E '^(NoNewPrivs|CapEff|CapBnd)' /proc/self/status; ls /proc/self/fd; umask; env")
    fields = dict(line.split(":\t") for line in said.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert fields["CapEff"] == "0" * 16
    assert "\n0\n1\n2\n3\n0027\n" in said  # the fourth is that of the directory
    assert "LC_ALL" not in said


def test_a_script_can_t_look_into_its_host(start, run):
    host = start()
    said = run(host, "cat /proc/$PPID/environ 2>&1; ls /proc/$PPID/fd 2>&1; exit 0")
    assert said.count("Permission denied") == 2


def test_no_key_can_be_in_its_memory(start):
    """It is another program than the one that it was forked from: neither library of TLS is loaded."""
    host = start()
    assert hear(host) == "ready\n"
    if os.geteuid() == 0:
        maps = Path(f"/proc/{host.pid}/maps").read_text()
        assert "libpython" in maps or "python" in maps
        assert "libssl" not in maps
        assert "_rust" not in maps


def test_signals_to_the_whole_group_are_the_masters_matter(start, run):
    host = start()
    assert hear(host) == "ready\n"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(host.pid, number)
    assert run(host, "echo here") == "here\n"


def test_it_ends_when_nobody_is_left_who_could_ask(start):
    host = start()
    assert hear(host) == "ready\n"
    host.close()
    assert code_of(host) == ExitCode.OK


@need_landlock
def test_scripts_are_confined(start, run, public):
    (public / "key").write_text("secret")
    (public / "key").chmod(0o644)
    host = start(confinement=Confinement((f"{public}/key",), (str(public),)))
    assert run(host, f"cat {public}/key 2>&1 || cat {public}/script | head -1").splitlines() == [
        f"cat: {public}/key: Permission denied",
        "#!/bin/sh",
    ]


def test_who_can_t_become_somebody_says_so(start):
    impossible = Identity("somebody", 2**31 - 3, 2**31 - 3, ())
    chroot = "/nowhere" if os.geteuid() == 0 else None
    host = start(identity=impossible, chroot=chroot)
    assert "somebody" in hear(host)
    assert code_of(host) == ExitCode.PRIVILEGES


@need_prlimit
def test_one_whose_limits_a_script_has_lowered_makes_way_for_another(start, run):
    host = start()
    hear(host)
    run(host, "exec prlimit --pid $PPID --nofile=64:64")
    host.channel.sendall(SIGN)
    assert hear(host) == "a process of this user has changed its resource limits\n"
    assert code_of(host) == ExitCode.PRIVILEGES


def test_one_whose_master_is_gone_says_nothing(start, capfd):
    host = start()
    host.channel.close()
    host.close()
    assert code_of(host) == ExitCode.OK
    assert capfd.readouterr() == ("", "")


def test_what_is_no_setup_is_told(tmp_path):
    (tmp_path / "setup").write_text("{}")
    channel, its = socket.socketpair()
    code = "import sys; from gemd.script_host.main import main; sys.exit(main(*map(int, sys.argv[1:])))"
    with its, (tmp_path / "setup").open() as setup:
        number = its.fileno()
        command = [sys.executable, "-c", code, str(number), str(os.dup(number))]
        done = subprocess.run(command, stdin=setup, pass_fds=[number, int(command[-1])], timeout=LONGEST, check=False)
        os.close(int(command[-1]))
    with channel:
        assert b"missing required field" in channel.recv(1000)
    assert done.returncode == ExitCode.PRIVILEGES


def test_a_python_that_is_gone_is_told(start, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    host = start()
    assert hear(host) == "/nowhere/python can't be executed: No such file or directory\n"
    wait_for(lambda: os.waitpid(host.pid, os.WNOHANG)[0], "it to end")


def test_a_master_that_is_gone_by_then_is_no_fault(start):
    host = start()
    host.channel.close()
    host.close()
    assert code_of(host) == ExitCode.OK
