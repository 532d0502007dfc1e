"""Scripts of a script host, as who asks for them sees them; it runs in a thread here."""

import contextlib
import itertools
import os
import select
import signal
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from gemd.script_host import runs as runs_module
from gemd.script_host.runs import Runs
from gemd.system.hosted_script import HostedScript
from gemd.system.orphans import adopt_orphans
from gemd.system.privileges import PrivilegeError
from gemd.system.process import become_subreaper
from gemd.system.running_script import Remains
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_output import ScriptError
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS
from tests.support.descriptors import open_descriptors
from tests.support.processes import is_alive
from tests.support.scripts import started
from tests.support.waiting import LONGEST, wait_for

NONE = ScriptLimits()


@pytest.fixture(autouse=True)
def subreaper():
    adopt_orphans()
    yield
    assert SCRIPT_THREADS.wait(LONGEST)
    become_subreaper(False)


@pytest.fixture
def serve():
    """Serve; where it is asked, and the master's end of its channel. It ends when both are closed."""
    served = []

    def serve():
        requests, its_requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel, its_channel = socket.socketpair()
        runs = Runs(its_requests, its_channel)
        thread = threading.Thread(target=runs.serve)
        thread.start()
        served.append((requests, channel, its_requests, its_channel, thread, runs))
        return SimpleNamespace(requests=requests, channel=channel, thread=thread, runs=runs)

    yield serve
    for *sockets, thread, runs in served:
        sockets[0].close()
        thread.join(LONGEST)
        assert not thread.is_alive()
        for sock in sockets:
            sock.close()
        os.close(runs._wakeup)


@pytest.fixture
def write(tmp_path):
    """A script in sh. Not to be written while another one is being started, whose process has it open meanwhile."""
    names = (f"script{number}" for number in itertools.count())

    def write(text):
        path = tmp_path / next(names)
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


class Asked(HostedScript):
    """One that may be ended more than once."""

    ended = None

    def end(self):
        if self.ended is None:
            self.ended = super().end()
        return self.ended


@pytest.fixture
def ask(tmp_path, write):
    """Ask for a script: text in sh, or one that was written."""
    asked = []

    def ask(host, what, limits=NONE, after=0.0):
        file = ScriptFile(str(write(what) if isinstance(what, str) else what))
        environ = {"PATH": os.environ["PATH"], "DIR": str(tmp_path)}
        asked.append(started(Asked(host.requests, file, environ, limits, after)))
        file.close()
        return asked[-1]

    yield ask
    for script in asked:
        script.end()


def read(script):
    """The next output, after as long as it takes."""
    end = time.monotonic() + LONGEST
    while (data := script.read()) is None:
        assert time.monotonic() < end, "waited in vain for a script"
        poll = select.poll()
        for descriptor in script.descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, min(script.deadline, end) - time.monotonic()) * 1000)
    return data


def read_all(script):
    return b"".join(iter(lambda: read(script), b""))


def test_a_script_runs_and_ends(serve, ask):
    script = ask(serve(), "echo $DIR; pwd; echo oops >&2; head -c 300000 /dev/zero")
    text = read_all(script)
    assert text.endswith(bytes(300_000))
    assert len(set(text.split(b"\n")[:2])) == 1
    assert script.stderr == b"oops\n"


@pytest.mark.parametrize("limits", [NONE, ScriptLimits(cpu_seconds=9)], ids=["free", "limited"])
def test_a_script_reads_what_is_uploaded(serve, write, tmp_path, limits):
    (tmp_path / "body").write_bytes(bytes(300_000))
    file = ScriptFile(str(write("cat; wc -c </dev/stdin")), body=os.open(tmp_path / "body", os.O_RDONLY))
    script = started(Asked(serve().requests, file, {"PATH": os.environ["PATH"]}, limits))
    file.close()
    assert read_all(script) == bytes(300_000) + b"300000\n"
    script.end()


def test_many_run_at_once(serve, ask, write):
    host = serve()
    paths = [write(f"echo {nr}") for nr in range(40)]
    scripts = [ask(host, path) for path in paths]
    assert [read_all(script) for script in scripts] == [b"%d\n" % nr for nr in range(40)]


@pytest.mark.parametrize(("text", "reason"), [("exit 3", "exited with code 3"), ("kill -9 $$", "ended by SIGKILL")])
def test_how_it_ended_is_told(serve, ask, text, reason):
    with pytest.raises(ScriptError, match=reason):
        read_all(ask(serve(), text))


def test_why_it_can_t_be_started_is_told(serve, ask):
    with pytest.raises(ScriptError, match=r"its interpreter .* does not exist"):
        read(ask(serve(), "#!/nowhere"))


def test_that_no_thread_can_be_had_is_told(serve, ask, monkeypatch):
    def refuse(*_):
        raise OSError("no thread")

    host = serve()
    monkeypatch.setattr(runs_module.SCRIPT_THREADS, "start", refuse)
    with pytest.raises(ScriptError, match="can't be started: no thread"):
        read(ask(host, "echo"))


def test_limits_are_those_that_are_asked_for(serve, ask):
    assert read_all(ask(serve(), "ulimit -t", ScriptLimits(cpu_seconds=77))) == b"77\n"


def pid_of(script):
    return int(read(script))


def test_one_that_is_not_wanted_any_more_is_ended_with_all_that_it_began(serve, ask):
    script = ask(serve(), "sleep 60 & echo $!; wait")
    child = pid_of(script)
    script.terminate()
    wait_for(lambda: not is_alive(child), "its child to end")
    wait_for(script.has_ended, "the end to be told")


def test_one_that_heeds_no_term_is_killed(serve, ask):
    script = ask(serve(), "trap '' TERM; echo $$; while :; do sleep 1; done")
    leader = pid_of(script)
    script.terminate()
    wait_for(script.has_ended, "it to be killed")
    assert not is_alive(leader)


def test_a_worker_that_is_gone_wants_nothing_any_more(serve, ask):
    script = ask(serve(), "echo $$; exec sleep 60")
    leader = pid_of(script)
    script._control.shutdown(socket.SHUT_RDWR)  # as the kernel does at its end
    wait_for(lambda: not is_alive(leader), "it to be ended")


def test_one_that_is_unwanted_before_it_is_started_is_ended_then(serve, ask, monkeypatch):
    is_starting, may_start, pids = threading.Event(), threading.Event(), []

    class Slow(runs_module.ScriptProcess):
        def start(self):
            is_starting.set()
            may_start.wait(LONGEST)
            super().start()
            pids.append(self.pid)

    monkeypatch.setattr(runs_module, "ScriptProcess", Slow)
    script = ask(serve(), "sleep 60")
    assert is_starting.wait(LONGEST)
    script.terminate()
    may_start.set()
    wait_for(lambda: pids and not is_alive(pids[0]), "it to be ended")
    wait_for(script.has_ended, "the end to be told")


def test_one_that_is_unwanted_before_its_turn_comes_is_not_started(serve, ask, monkeypatch, tmp_path):
    turns = []
    monkeypatch.setattr(runs_module.SCRIPT_THREADS, "start", lambda work, _: turns.append(work))
    host = serve()
    unwanted, wanted = (ask(host, f"touch $DIR/{name}") for name in ("unwanted", "wanted"))
    wait_for(lambda: len(turns) == 2, "both to wait for their turns")
    unwanted.terminate()
    for turn in turns:
        turn()
    assert read(wanted) == b""
    wait_for(unwanted.has_ended, "the end to be told")
    assert [path.name for path in tmp_path.glob("*wanted")] == ["wanted"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_a_start_is_told(serve, ask, monkeypatch):
    ended = []

    def fail(*_):
        ended.append(threading.current_thread())
        raise RuntimeError

    monkeypatch.setattr(runs_module, "ScriptProcess", fail)
    host = serve()
    with pytest.raises(ScriptError, match="a fault of gemd itself"):
        read(ask(host, "echo"))
    wait_for(lambda: host.runs._runs == 0, "it to be over")
    ended[0].join(LONGEST)


def test_what_it_has_left_behind_ends_with_it(serve, ask):
    script = ask(serve(), "setsid sleep 60 >/dev/null 2>&1 & echo $!")
    child = pid_of(script)
    assert read(script) == b""
    wait_for(lambda: not is_alive(child), "what it left to end")


def left(script):
    """What had to be ended, once nothing is left."""
    wait_for(lambda: not script.goes_on(), "nothing to be left")
    return script.end()


def test_what_goes_on_may_do_so_for_a_while(serve, ask, tmp_path):
    host = serve()
    script = ask(host, '( while [ ! -e "$DIR/go" ]; do sleep 0.01; done; echo > "$DIR/done" ) & echo $!', after=60.0)
    child = pid_of(script)
    assert read(script) == b""
    assert script.goes_on()
    assert is_alive(child)
    (tmp_path / "go").touch()
    assert left(script) == Remains()
    assert (tmp_path / "done").exists()
    wait_for(lambda: host.runs._runs == 0, "it to be over")


def test_what_goes_on_for_longer_is_ended_and_told(serve, ask):
    host = serve()
    for after in (0.0, 0.3):
        script = ask(host, "sleep 60 & echo $!", after=after)
        child = pid_of(script)
        began = time.monotonic()
        assert read(script) == b""
        assert left(script) == Remains(1, 0)
        assert time.monotonic() - began >= after
        assert not is_alive(child)


def test_what_goes_on_ends_with_who_would_hear_of_it(serve, ask):
    host = serve()
    script = ask(host, "sleep 60 & echo $!", after=60.0)
    child = pid_of(script)
    assert read(script) == b""
    assert script.goes_on()
    script.end()
    wait_for(lambda: host.runs._runs == 0, "it to be over")
    assert not is_alive(child)


def test_what_goes_on_ends_when_it_is_asked_to(serve, ask):
    script = ask(serve(), "sleep 60 & echo $!", after=60.0)
    child = pid_of(script)
    assert read(script) == b""
    assert script.goes_on()
    script.terminate()
    assert left(script) == Remains(1, 0)
    assert not is_alive(child)


def test_a_script_that_goes_on_itself_is_ended_and_told(serve, ask):
    script = ask(serve(), "echo $$; exec >&- sleep 60", after=60.0)
    pid = pid_of(script)
    assert script.goes_on()
    script.terminate()
    assert left(script) == Remains(1, 0)
    assert not is_alive(pid)


def test_it_goes_on_until_its_last_script_has_ended(serve, ask):
    host = serve()
    script = ask(host, "exec sleep 60")
    host.requests.close()
    assert host.thread.is_alive()
    script.terminate()
    host.thread.join(LONGEST)
    assert not host.thread.is_alive()


def test_nothing_stays_open(serve, ask):
    host = serve()

    def run(text):
        script = ask(host, text)
        with contextlib.suppress(ScriptError):
            read_all(script)
        script.end()
        script.end = lambda: None
        wait_for(lambda: host.runs._runs == 0, "it to be over")
        assert SCRIPT_THREADS.wait(LONGEST)

    run("echo")
    before = len(open_descriptors())
    for text in ("echo", "exit 3", "#!/nowhere", "kill -9 $$"):
        run(text)
    wait_for(lambda: len(open_descriptors()) == before, "all to be closed")


def test_a_request_that_makes_no_sense_changes_nothing(serve, ask):
    host = serve()
    host.requests.send(b"nonsense")
    assert read_all(ask(host, "echo text")) == b"text\n"


@pytest.mark.parametrize("by", ["requests", "channel"])
def test_one_whose_limits_have_been_changed_does_not_go_on(monkeypatch, by):
    (requests, its_requests), (channel, its_channel) = socket.socketpair(), socket.socketpair()
    with requests, its_requests, channel, its_channel:
        runs = Runs(its_requests, its_channel)
        monkeypatch.setattr(runs_module, "read_limits", tuple)
        {"requests": requests, "channel": channel}[by].send(b"nonsense")
        with pytest.raises(PrivilegeError, match="changed its resource limits"):
            runs.serve()
        os.close(runs._wakeup)


def test_the_master_is_given_a_sign_of_life(serve):
    host = serve()
    host.channel.settimeout(LONGEST)
    host.channel.sendall(b"\n")
    assert host.channel.recv(10) == b"\n"


def test_it_goes_on_without_its_master(serve, ask):
    host = serve()
    host.channel.close()
    assert read_all(ask(host, "echo text")) == b"text\n"


def test_signals_are_as_they_are_by_default(serve, ask):
    mask = read_all(ask(serve(), "grep -E '^Sig(Blk|Ign)' /proc/self/status")).split()
    assert {int(mask[1], 16), int(mask[3], 16) & (1 << (signal.SIGTERM - 1))} == {0}
