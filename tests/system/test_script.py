"""Scripts as processes: started, read without waiting, ended with all that they began."""

import contextlib
import os
import re
import resource
import select
import signal
import sys
import time

import pytest

from gemd.system import script_output
from gemd.system.running_script import Remains
from gemd.system.script import Script
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_output import ScriptError
from gemd.system.script_start import ScriptFile
from tests.support.descriptors import open_descriptors
from tests.support.processes import is_alive
from tests.support.scripts import started
from tests.support.waiting import wait_for

ENVIRON = {"PATH": os.environ["PATH"]}


@pytest.fixture
def start(tmp_path):
    """Start a script in sh, or in what its first line says. All are ended when the test is."""
    running = []

    def start(text, limits=None, environ=ENVIRON):
        path = tmp_path / "script"
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        file = ScriptFile(str(path))
        try:
            running.append(started(Script(file, environ, limits or ScriptLimits())))
        finally:
            file.close()
        return running[-1]

    yield start
    for script in running:
        if not script.is_reaped:
            script.end()


def read(script, seconds=15.0):
    """The next output, after as long as it takes; waits as the event loop does."""
    end = time.monotonic() + seconds
    while (data := script.read()) is None:
        now = time.monotonic()
        assert now < end, "waited in vain for a script"
        poll = select.poll()
        for descriptor in script.descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, min(script.deadline, end) - now) * 1000)
    return data


def read_all(script):
    return b"".join(iter(lambda: read(script), b""))


def test_its_output_is_read_to_its_end(start):
    script = start("echo one; echo two >&2; head -c 300000 /dev/zero")
    assert read_all(script) == b"one\n" + bytes(300_000)
    assert script.stderr == b"two\n"
    assert script.has_ended()
    assert read(script) == b""  # and stays over


def test_it_is_never_waited_for(start):
    script = start("read x; sleep 60")
    start_time = time.monotonic()
    assert [script.read() for _ in range(100)] == [None] * 100
    assert not script.has_ended()
    assert time.monotonic() - start_time < 5


def test_how_it_runs(start, tmp_path):
    script = start(
        f"#!{sys.executable} -I\nimport os, sys\n"
        "print(os.getcwd(), os.getsid(0) == os.getpid(), sys.argv, sys.stdin.read(), dict(os.environ)['A'])\n"
        "print(sorted(os.listdir('/proc/self/fd'))[:-1])\n",
        environ={"A": "b"},
    )
    assert read_all(script).decode() == f"{tmp_path} True ['./script']  b\n['0', '1', '2']\n"


@pytest.mark.parametrize("code", [1, 3, 255])
def test_another_code_than_0_is_a_failure_behind_all_of_its_output(start, code):
    script = start(f"echo out; exit {code}")
    assert read(script) == b"out\n"
    with pytest.raises(ScriptError, match=f"exited with code {code}"):
        read(script)


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "XCPU", "PIPE"])
def test_a_signal_is_a_failure(start, name):
    script = start(f"kill -{name} $$")
    with pytest.raises(ScriptError, match=f"was ended by SIG{name}"):
        read(script)


def test_a_real_time_signal_is_one_too(start):
    script = start("kill -40 $$")
    with pytest.raises(ScriptError, match="was ended by signal 40"):
        read(script)


# Its end is that of its leader


def test_one_that_closes_its_output_is_waited_for(start):
    script = start("echo out; exec >&-; sleep 0.2; exit 3")
    assert read(script) == b"out\n"
    with pytest.raises(ScriptError, match="exited with code 3"):
        read(script)


def test_one_that_closes_its_output_and_goes_on_is_over(start, monkeypatch):
    monkeypatch.setattr(script_output, "_EXIT_TIMEOUT", 0.2)
    script = start("exec >&- 2>&-; sleep 60")
    began = time.monotonic()
    assert read(script) == b""
    assert 0.15 < time.monotonic() - began < 2
    assert not script.has_ended()
    script.end()
    assert not is_alive(script.pid)


@pytest.mark.parametrize("text", ["sleep 60 &", "(sleep 60 &)", "setsid sleep 60 & sleep 0.1"])
def test_who_keeps_its_output_open_does_not_keep_it_from_its_end(start, text):
    script = start(f"echo out; {text}")
    began = time.monotonic()
    assert read_all(script) == b"out\n"
    assert time.monotonic() - began < 5


def test_what_others_write_on_and_on_when_it_has_ended_is_not_waited_for(start):
    script = start("echo out; yes & sleep 0.1")
    began = time.monotonic()
    output = read_all(script)
    assert output.startswith(b"out\n") or b"\nout\n" in output
    assert time.monotonic() - began < 5


def test_all_that_it_wrote_before_its_end_counts(start):
    """A pipe holds 64 KiB: that much may be there when the leader has ended."""
    script = start("head -c 65536 /dev/zero")
    wait_for(script.has_ended, "its end")
    assert len(read_all(script)) == 65536


# stderr


def test_all_that_is_in_a_larger_pipe_is_read_when_it_has_ended(start):
    enlarge = "import fcntl, os\nfcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)\n"
    script = start(f"#!{sys.executable}\n{enlarge}os.write(1, b'x' * 500_000)")
    wait_for(script.has_ended, "the end of the script")
    assert read_all(script) == b"x" * 500_000


def test_it_goes_on_until_its_leader_has_ended_and_what_was_to_be_ended_is_told(start):
    script = start("exec >&-; sleep 60")
    assert read(script) == b""
    assert script.goes_on()
    script.terminate()
    wait_for(lambda: not script.goes_on(), "its end")
    assert script.end() == Remains(1, 0)


def test_nothing_is_told_of_one_that_has_ended_by_itself(start):
    script = start("echo out")
    assert read_all(script) == b"out\n"
    assert not script.goes_on()
    assert script.end() == Remains()


def test_stderr_is_bounded(start):
    script = start("head -c 1000000 /dev/zero >&2; echo out")
    assert read_all(script) == b"out\n"
    script.end()
    assert script.stderr == bytes(64 * 1024)


def test_stderr_that_is_closed_is_watched_no_longer(start):
    script = start("exec 2>&-; sleep 60")
    wait_for(lambda: (script.read(), len(tuple(script.descriptors)) == 2)[1], "the end of its stderr")


def test_the_last_words_count(start):
    script = start("echo out; echo why >&2; exit 1")
    wait_for(script.has_ended, "its end")
    script.end()
    assert script.stderr == b"why\n"


# Its end is that of all that it began


def test_end_kills_the_group(start):
    script = start("trap '' TERM; sleep 60 & echo $!; sleep 60 & echo $!; wait")
    output = b""
    while output.count(b"\n") < 2:
        output += read(script)
    pids = [script.pid, *map(int, output.split())]
    assert all(map(is_alive, pids))
    script.end()
    assert not is_alive(script.pid)
    wait_for(lambda: not any(map(is_alive, pids)), "the end of what it began")


def test_terminate_asks_the_group(start):
    script = start("trap 'echo ended; exit 0' TERM; sleep 60 & echo up; wait")
    assert read(script) == b"up\n"
    script.terminate()
    assert read_all(script) == b"ended\n"


def test_kill_does_not_wait(start):
    script = start("trap '' TERM; while :; do sleep 1; done")
    script.kill()
    wait_for(script.has_ended, "its end")
    with pytest.raises(ScriptError, match="was ended by SIGKILL"):
        read(script)
    script.kill()  # and a dead one may be killed


def test_its_end_can_be_polled_for(start):
    script = start("sleep 60")
    poll = select.poll()
    poll.register(script.fileno(), select.POLLIN)
    assert not poll.poll(0)
    os.kill(script.pid, signal.SIGKILL)
    assert poll.poll(5000)


def test_no_descriptor_is_left_open(start):
    before = open_descriptors()
    for text in ("echo out", "exit 3", "sleep 60", "exec >&-", "exec 2>&-"):
        for limits in (None, ScriptLimits(cpu_seconds=5)):
            start(text, limits).end()
    for text, limits in (("#!/nowhere", None), ("true", ScriptLimits(memory=2**63)), ("true", ScriptLimits(nice=5))):
        try:
            start(text, limits).end()
        except ScriptError:
            continue
    assert open_descriptors() == before


# Starts that fail


UNSTARTABLE = {
    "no interpreter": (
        b"#!/nowhere\n",
        0o755,
        "No such file or directory; its interpreter (the #! line) or",
    ),
    "no program": (b"\0\1", 0o755, "Exec format error; it is neither a program nor begins with a #! line"),
    "CR LF": (b"#!/bin/sh\r\necho\r\n", 0o755, "No such file or directory; its #! line ends with CR LF"),
    "a byte order mark": (b"\xef\xbb\xbf#!/bin/sh\n", 0o755, "Exec format error; it begins with a byte order mark"),
    "no right": (
        b"#!/bin/sh\n",
        0o644,
        f"Permission denied; it, its interpreter or its directory may not be executed by uid {os.geteuid()}",
    ),
}


@pytest.mark.parametrize(("content", "mode", "why"), UNSTARTABLE.values(), ids=UNSTARTABLE)
def test_what_can_not_be_started_says_why(tmp_path, content, mode, why):
    path = tmp_path / "script"
    path.write_bytes(content)
    path.chmod(mode)
    file = ScriptFile(str(path))
    with contextlib.closing(file), pytest.raises(ScriptError, match=re.escape(f"can't be started: {why}")):
        started(Script(file, {}, ScriptLimits()))


def test_one_that_is_gone(tmp_path):
    file = ScriptFile(str(tmp_path / "none"))
    with contextlib.closing(file), pytest.raises(ScriptError, match="can't be started: No such file"):
        started(Script(file, {}, ScriptLimits()))


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"A": "\0"}, "null byte"),
        ({"A": "\ud800"}, "surrogates not allowed"),
        ({"A=B": "x"}, "illegal environment variable name"),
        ({"A": "x" * 3_000_000}, "its environment is too large"),
    ],
)
def test_an_environment_that_can_not_be(start, environ, why):
    with pytest.raises(ScriptError, match=f"can't be started: .*{why}"):
        start("true", environ=environ)


def test_a_machine_without_descriptors(start, monkeypatch):
    def fail(_):
        raise OSError(24, "Too many open files")

    before = open_descriptors()
    monkeypatch.setattr(os, "pidfd_open", fail)
    with pytest.raises(ScriptError, match=r"can't be limited and watched: .*Too many open files"):
        start("sleep 60")
    assert open_descriptors() == before


# Limits


def test_limits_hold_from_its_first_instruction(start):
    limits = ScriptLimits(nice=3, cpu_seconds=7, memory=1 << 30, file_size=1 << 20, processes=1000)
    for _ in range(5):
        script = start("ulimit -t; ulimit -v; ulimit -f; nice; cat", limits)
        assert read_all(script).split() == [b"7", b"1048576", b"2048", b"3"]  # and its input is empty


def test_a_limit_above_that_of_the_system_is_that_of_the_system(start, monkeypatch):
    prlimit = resource.prlimit

    def limit(pid, what, *new):
        return (9, 10_000) if what == resource.RLIMIT_CPU and not new else prlimit(pid, what, *new)

    monkeypatch.setattr(resource, "prlimit", limit)
    script = start("ulimit -t; ulimit -Ht", ScriptLimits(cpu_seconds=20_000))
    assert read_all(script).split() == [b"10000"] * 2


@pytest.fixture
def many_descriptors():
    """A server that may open 2000 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this user may not open as many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("limits", [None, ScriptLimits(nice=1)])
def test_it_may_open_as_many_files_as_is_usual(start, limits):
    """Without other limits it is not held until this one is set."""
    wait = 'while [ "$(ulimit -Sn)" != 1024 ]; do sleep 0.01; done; ' if limits is None else ""
    script = start(f"{wait}ulimit -Sn; ulimit -Sn 1500; ulimit -Sn", limits)
    assert read_all(script).split() == [b"1024", b"1500"]


def test_a_limit_ends_it(start):
    script = start(f"#!{sys.executable} -I\nx = bytearray(1 << 30)\n", ScriptLimits(memory=256 << 20))
    with pytest.raises(ScriptError, match="exited with code 1"):
        read(script)
    assert b"MemoryError" in script.stderr


def test_a_limit_that_can_not_be_leaves_nothing_behind(start, tmp_path):
    before = open_descriptors()
    with pytest.raises(ScriptError, match="can't be limited and watched"):
        start(f"touch {tmp_path}/ran", ScriptLimits(memory=2**63))
    assert not (tmp_path / "ran").exists()
    assert open_descriptors() == before


def test_a_held_script_that_can_not_be_executed_is_a_failure(start):
    script = start("#!/nowhere", ScriptLimits(cpu_seconds=5))
    with pytest.raises(ScriptError, match=r"exited with code 12[67]"):
        read(script)
    script.end()
    assert b"not found" in script.stderr
