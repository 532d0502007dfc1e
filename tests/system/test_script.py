"""Scripts that run, watched by their client's socket: without a server."""

import os
import resource
import signal
import socket
import time
from pathlib import Path

import pytest

from gemd.protocol.response import ClientLeft
from gemd.system.deadline import Deadline
from gemd.system.script import Script, ScriptError, ScriptLimits


@pytest.fixture
def client():
    """Our side of a client's socket, and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def start(tmp_path, client):
    """Start a shell script; whatever happens, it is ended."""
    started = []

    def start(text, limits=None, head="#!/bin/sh\n", mode=0o755, **environ):
        path = tmp_path / "script"
        path.write_text(head + text)
        path.chmod(mode)
        environ = {"PATH": "/usr/bin:/bin", **environ}
        started.append(Script(str(path), environ, limits or ScriptLimits(), client[0].fileno()))
        return started[-1]

    yield start
    for script in started:
        if script._popen.returncode is None:
            script.abort()


def read_all(script, seconds=15.0):
    deadline = Deadline(seconds)
    output = b""
    while data := script.read(deadline, "is late"):
        output += data
    return output


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid):
    end = time.monotonic() + 15
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_its_output_and_nothing_of_ours_but_its_environment(start, tmp_path):
    script = start('echo "$A"; pwd; echo "$#"; ls /proc/self/fd; read -r line || echo no input', A="b c")
    lines = read_all(script).decode().split("\n")
    script.finish()
    assert lines[:3] == ["b c", str(tmp_path), "0"]
    assert lines[3:6] == ["0", "1", "2"]  # and that of the directory, which ls has opened
    assert "no input" in lines


def test_it_leads_a_session_of_its_own(start):
    script = start("echo $$; sleep 30")
    assert int(script.read(Deadline(15), "is late")) == script.pid == os.getsid(script.pid) == os.getpgid(script.pid)
    script.abort()


ENDS = {
    "a code": ("echo x; exit 3", "exited with code 3"),
    "a signal": ("echo x; kill -9 $$", "was ended by SIGKILL"),
}


@pytest.mark.parametrize(("text", "said"), ENDS.values(), ids=ENDS)
def test_an_end_that_is_a_failure(start, text, said):
    script = start(text)
    assert read_all(script) == b"x\n"
    with pytest.raises(ScriptError, match=said):
        script.finish()


UNFIT = {
    "nothing to run it": ({"head": "#!/no/such/interpreter\n"}, "its interpreter"),
    "no permission": ({"mode": 0o644}, "may not be executed"),
    "no program": ({"head": "\0\0"}, "neither a program nor begins with a #! line"),
    "too large an environment": ({"A": "x" * 3_000_000}, "its environment is too large"),
}


@pytest.mark.parametrize(("options", "said"), UNFIT.values(), ids=UNFIT)
def test_one_that_can_not_be_started_says_what_to_change(start, options, said):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ScriptError, match="can't be started: .*" + said):
        start("", **options)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_it_complains_of_is_kept_up_to_a_limit(start):
    script = start("echo one >&2; head -c 200000 /dev/zero | tr '\\0' x >&2; echo 20 text/plain")
    assert read_all(script) == b"20 text/plain\n"
    script.finish()
    assert script.stderr.startswith(b"one\nxxx")
    assert len(script.stderr) == 64 * 1024


def test_one_that_is_late_is_told_so(start):
    script = start("sleep 30")
    with pytest.raises(ScriptError, match="is late"):
        script.read(Deadline(0.05), "is late")
    script.abort()
    assert not is_alive(script.pid)


def test_a_client_that_leaves_is_noticed_at_once(start, client):
    script = start("sleep 30")
    client[1].close()
    with pytest.raises(ClientLeft):
        script.read(Deadline(15), "is late")


def test_it_is_asked_to_end_before_it_is_killed(start):
    script = start("trap 'echo bye >&2; exit' TERM; echo begun; while :; do sleep 0.01; done")
    assert script.read(Deadline(15), "is late") == b"begun\n"
    script.abort()
    assert b"bye" in script.stderr


def test_one_that_does_not_listen_is_killed(start):
    script = start("trap '' TERM; echo begun; while :; do sleep 1; done")
    script.read(Deadline(15), "is late")
    script.abort()
    assert script._popen.returncode == -signal.SIGKILL


def test_its_end_is_that_of_its_leader_and_what_it_left_is_killed(start):
    script = start("sleep 60 & echo $!; exit 0")
    began = time.monotonic()
    pid = int(read_all(script))
    script.finish()
    assert time.monotonic() - began < 10
    wait_until_gone(pid)


def test_one_that_closes_its_output_has_a_moment_to_end(start):
    script = start("echo x; exec >&- 2>&-; sleep 60")
    assert read_all(script) == b"x\n"
    began = time.monotonic()
    script.finish()  # was killed, which is no failure: the answer is whole
    assert time.monotonic() - began < 10
    assert not is_alive(script.pid)


def test_limits_are_there_before_it_runs(start):
    limits = ScriptLimits(nice=3, cpu_seconds=7, memory=1 << 28, file_size=4096, processes=100)
    script = start("ulimit -t; ulimit -v; ulimit -f; nice", limits)
    assert read_all(script).split() == [b"7", b"262144", b"8", b"3"]
    script.finish()


def test_a_limit_never_exceeds_ours(start):
    before = resource.getrlimit(resource.RLIMIT_CPU)
    script = start("ulimit -t", ScriptLimits(cpu_seconds=1_000_000))
    assert int(read_all(script)) <= (before[1] if before[1] != resource.RLIM_INFINITY else 1_000_000)
    script.finish()
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


def test_everything_is_closed_at_the_end(start):
    before = len(os.listdir("/proc/self/fd"))
    script = start("echo x", ScriptLimits(nice=1))
    read_all(script)
    script.finish()
    assert len(os.listdir("/proc/self/fd")) == before
