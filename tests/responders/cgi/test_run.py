"""One run of a script: as an answer that is awaited, as a body, and at every moment when it may be closed."""

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from gemd.config.cgi_settings import CGISettings
from gemd.config.script_settings import ScriptSettings
from gemd.protocol.errors import CGIError, Overloaded
from gemd.protocol.response import BrokenBody
from gemd.responders.cgi.run import ScriptRun
from gemd.responders.cgi.start import ScriptStart
from gemd.system.places import Places
from gemd.system.script import Script
from gemd.system.script_limits import NO_LIMITS
from gemd.system.script_output import ScriptError
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS, ScriptThreads
from tests.support.descriptors import open_descriptors
from tests.support.processes import exists
from tests.support.pump import Pump
from tests.support.waiting import wait_for

CLIENT = "192.0.2.1"


@pytest.fixture
def make(tmp_path):
    """Make a run of a script in sh, which has a place at once. All have ended when the test has."""

    def make(
        text,
        *,
        cgi=15.0,
        header=15.0,
        settings=None,
        output=10**9,
        threads=SCRIPT_THREADS,
        places=None,
        name="script",
        **keys,
    ):
        path = tmp_path / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        settings = settings or ScriptSettings(CGISettings(**{"exit_status": "strict", **keys}), cgi, header)
        environ = {"PATH": os.environ["PATH"], "DIR": str(tmp_path)}
        places, file = CountedPlaces() if places is None else places, ScriptFile(str(path))
        start = ScriptStart(file, environ, lambda *asked: Script(*asked, NO_LIMITS), threads, places)
        return Run(start, "/cgi-bin/script", settings, output, threads)

    yield make
    assert SCRIPT_THREADS.wait(15)


class CountedPlaces(Places):
    """Places enough, that count how often one was left."""

    def __init__(self):
        super().__init__(100, 100)
        self.left = 0

    def leave(self, place):
        super().leave(place)
        self.left += 1


class Run(ScriptRun):
    """Knows how often its place was left."""

    @property
    def left(self):
        return self._start._places.left


@pytest.fixture
def pump():
    with Pump() as pump:
        yield pump


@pytest.fixture
def answer(make, pump):
    """Status, META and body of a script."""

    def answer(text, **options):
        run = make(text, **options)
        response = pump.settle(run)
        body = pump.read(run) if response.body is run else response.body
        return response.status, response.meta, body

    return answer


def test_a_body_comes_behind_its_header(answer):
    assert answer("printf '20 text/plain\\r\\n'; echo body") == (20, "text/plain", b"body\n")


@pytest.mark.parametrize("text", ["echo 20 text/plain", "echo 20 text/plain; exec >&-; sleep 0.2"])
def test_a_body_may_be_empty(answer, text):
    assert answer(text) == (20, "text/plain", b"")


def test_a_header_may_come_octet_by_octet(answer):
    text = "for c in 2 0 ' ' t / p; do printf \"$c\"; sleep 0.02; done; echo; echo body"
    assert answer(text) == (20, "t/p", b"body\n")


def test_what_has_ended_and_left_nothing_is_read_and_ended_at_once(make, caplog, monkeypatch):
    """So it can be sent in one go, and its place is free then: no thread waits for nothing."""
    monkeypatch.setattr("gemd.system.script.has_adopted", lambda: False)  # what other tests have left
    starter, places = Starter(), CountedPlaces()
    run = make("echo 20 a/b; echo body; echo why >&2", threads=starter, places=places)
    run.begin(SimpleNamespace(client=CLIENT, wake=lambda: None))
    starter.go()
    wait_for(run._start._script.has_ended, "its end")
    assert run.settle() is None  # the look at what has just begun
    assert (run.settle().body, run.read(), run.read()) == (run, b"body\n", b"")
    run.close()
    assert places.left == 1
    assert said(caplog) == ["script /cgi-bin/script says: why"]


def test_a_large_body_is_whole(answer):
    assert answer("echo 20 a/b; head -c 3000000 /dev/zero") == (20, "a/b", bytes(3_000_000))


@pytest.mark.parametrize("text", ["echo body", ""])
def test_its_exit_code_is_its_own_business(answer, caplog, text):
    assert answer(f"echo 20 a/b; {text}\nexit 1", exit_status="lenient")[2] == (b"body\n" if text else b"")
    assert caplog.messages == ["script /cgi-bin/script exited with code 1 after its answer, which is whole"]


def test_without_a_header_an_exit_code_tells_of_a_failure(make, pump, caplog):
    with pytest.raises(CGIError):
        pump.settle(make("exit 1", exit_status="lenient"))
    assert "exited with code 1" in caplog.text


def test_a_signal_is_no_business_of_its_own(make, pump):
    run = make("echo 20 a/b; echo body; kill -9 $$", exit_status="lenient")
    pump.settle(run)
    with pytest.raises(BrokenBody, match="SIGKILL"):
        pump.read(run)


def test_a_body_is_there_as_it_is_written(make, pump):
    run = make("echo 20 a/b; echo one; read x < $DIR/fifo; echo two")
    os.mkfifo(run._start._environ["DIR"] + "/fifo")
    assert pump.settle(run).body is run
    assert pump.wait_for(run, run.read) == b"one\n"
    assert run.read() is None
    with open(run._start._environ["DIR"] + "/fifo", "w") as fifo:  # noqa: PTH123
        fifo.write("go\n")
    assert pump.read(run) == b"two\n"


def test_an_answer_without_a_body_is_known_when_the_script_has_ended(answer, tmp_path):
    text = "echo 51 None here; sleep 0.2; echo more; head -c 300000 /dev/zero; touch $DIR/done"
    assert answer(text) == (51, "None here", b"")
    assert (tmp_path / "done").exists()


FAILURES = {
    "nothing": ("true", "ended without a header"),
    "half a header": ("printf '20 text'", "ended without a header: b'20 text'"),
    "no header": ("echo hello", "has to begin with a line such as '20 text/gemini', not b'hello'"),
    "endless, without a line end": ("tr '\\0' 2 < /dev/zero", "has to begin with a line"),
    "code": ("exit 3", "exited with code 3"),
    "code behind half a header": ("printf '20 text'; exit 3", "exited with code 3"),
    "signal": ("kill -9 $$", "was ended by SIGKILL"),
    "not started": ("#!/nowhere", "can't be started: No such file or directory; its interpreter"),
    "closed output": ("exec >&-; sleep 60", "ended without a header"),
}


@pytest.mark.parametrize(("text", "why"), FAILURES.values(), ids=FAILURES)
def test_a_script_that_fails(make, pump, caplog, text, why):
    run = make(text)
    with pytest.raises(CGIError, match="The script failed"):
        pump.settle(run)
    assert SCRIPT_THREADS.wait(15)
    assert [record.getMessage().startswith(f"script /cgi-bin/script {why}") for record in caplog.records] == [True]
    assert run.left == 1


BROKEN = {
    "code": ("echo begun; exit 3", "exited with code 3"),
    "signal": ("echo begun; kill -TERM $$", "was ended by SIGTERM"),
    "endless": ("yes", r"wrote more than 100000 bytes \(limits.cgi-output\)"),
    "late": ("sleep 60", r"did not end within 0.5 s \(timeouts.cgi\)"),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_body_that_breaks_off(make, pump, text, why):
    run = make(f"echo 20 a/b; {text}", cgi=0.5 if text == "sleep 60" else 15.0, output=100_000)
    assert pump.settle(run).body is run
    with pytest.raises(BrokenBody, match=f"^script /cgi-bin/script {why}"):
        pump.read(run)
    assert SCRIPT_THREADS.wait(15)
    assert run.left == 1


def test_output_up_to_the_limit_is_whole(answer):
    assert len(answer("echo 20 a/b; head -c 100000 /dev/zero", output=100_000)[2]) == 100_000


TROUBLE_AFTER_A_REFUSAL = {
    "code": ("exit 3", "exited with code 3 after its answer 51"),
    "more than it may": ("yes", "wrote more than 100000 bytes (limits.cgi-output) after its answer 51"),
    "endless": ("yes", "wrote more than 4194304 bytes that are not sent after its answer 51"),
    "late": ("sleep 60", "did not end within 0.5 s (timeouts.cgi) after its answer 51"),
}


@pytest.mark.parametrize(("text", "why"), TROUBLE_AFTER_A_REFUSAL.values(), ids=TROUBLE_AFTER_A_REFUSAL)
def test_a_refusal_counts_whatever_follows(answer, caplog, text, why):
    options = {"cgi": 0.5 if text == "sleep 60" else 15.0, "output": 100_000 if "cgi-output" in why else 10**9}
    assert answer(f"echo 51 None here; {text}", **options)[0] == 51
    assert f"script /cgi-bin/script {why}" in caplog.text


def test_a_refusal_that_writes_endlessly_lets_others_have_their_turn(make):
    """Each look takes one piece, and no more: the event loop looks again when it has been with the others."""
    run = make("echo 51 None here; yes")
    with Pump() as pump:
        run.begin(pump)
        wait_for(lambda: run._start._is_started, "its start")
        for _ in range(50):
            start = time.monotonic()
            assert run.settle() is None
            assert time.monotonic() - start < 2
    run.close()


# Time


@pytest.mark.parametrize(
    "text", ["sleep 60", "while :; do echo noise >&2; done", "while :; do printf 2; sleep 0.01; done"]
)
def test_a_header_has_its_time(make, pump, caplog, text):
    run = make(text, header=0.3)
    start = time.monotonic()
    with pytest.raises(CGIError):
        pump.settle(run)
    assert 0.25 < time.monotonic() - start < 2
    assert "wrote no header within 0.3 s (timeouts.cgi-header)" in caplog.text


def test_the_log_names_the_time_that_was_over(make, pump, caplog):
    run = make("sleep 60", cgi=0.3, header=10.0)
    with pytest.raises(CGIError):
        pump.settle(run)
    assert "did not end within 0.3 s (timeouts.cgi)" in caplog.text


@pytest.mark.parametrize(
    ("times", "said"),
    [((0.3, 10.0), "did not end within 0.3 s (A)"), ((10.0, 0.3), "wrote no header within 0.3 s (B)")],
)
def test_the_log_names_the_key_that_says_how_long(make, pump, caplog, times, said):
    run = make("sleep 60", settings=ScriptSettings(CGISettings(), *times, "A", "B"))
    with pytest.raises(CGIError):
        pump.settle(run)
    assert said in caplog.text


def test_all_has_its_time_even_if_there_is_always_more(make, pump):
    run = make("echo 20 a/b; yes", cgi=0.5)
    start = time.monotonic()
    assert pump.settle(run).body is run
    with pytest.raises(BrokenBody, match=r"did not end within 0\.5 s"):
        pump.read(run)
    assert time.monotonic() - start < 2


def test_the_time_for_all_holds_before_the_header_as_well(make, pump):
    start = time.monotonic()
    with pytest.raises(CGIError):
        pump.settle(make("sleep 60", cgi=0.3, header=15))
    assert time.monotonic() - start < 2


def test_what_a_script_has_said_before_it_ended_in_time_is_never_late(make, pump):
    """The client may be slow: then there is more to read when the time is over, of a script that is done."""
    run = make("echo 20 a/b; head -c 60000 /dev/zero", cgi=0.5)
    assert pump.settle(run).body is run
    wait_for(lambda: run._start._script.has_ended(), "its end")
    time.sleep(max(0.0, run.deadline - time.monotonic()))
    assert len(pump.read(run)) == 60_000


# Starting


class Starter:
    """Starts a script when the test says so, in the test's thread; ends are real."""

    def __init__(self):
        self.works = []
        self.end = SCRIPT_THREADS.end

    def start(self, work, program):
        self.works.append(work)

    def go(self):
        self.works.pop(0)()


def test_the_time_for_the_header_runs_while_the_script_is_being_started(make, pump, caplog):
    starter = Starter()
    run = make("touch $DIR/ran; echo 20 a/b", header=0.2, threads=starter)
    with pytest.raises(CGIError):
        pump.settle(run)
    assert "wrote no header within 0.2 s" in caplog.text
    assert run.left == 1  # its place is free, though no thread has come for it
    starter.go()
    assert run.left == 1


def test_nothing_is_known_before_it_has_started(make):
    starter, woken = Starter(), []
    run = make("sleep 60", threads=starter)
    run.begin(SimpleNamespace(client=CLIENT, wake=lambda: woken.append(True)))
    assert (run.settle(), tuple(run.descriptors)) == (None, (run._start._script.output,))
    assert run.deadline < run._header_at  # when to see whether it has started
    assert (run.settle(), tuple(run.descriptors)) == (None, ())  # it has not: whoever asks again is told when it has
    assert run.deadline == run._header_at
    assert woken == []
    starter.go()
    assert woken == [True]
    assert run.settle() is None
    assert len(tuple(run.descriptors)) == 3
    run.close()


def test_no_thread_can_be_had(make, pump, caplog):
    class NoThreads(ScriptThreads):
        def start(self, work, program):
            raise OSError("can't start new thread")

    run = make("echo 20 a/b", threads=NoThreads())
    with pytest.raises(CGIError):
        pump.settle(run)
    assert "script /cgi-bin/script can't be started: can't start new thread" in caplog.text
    assert run.left == 1


def test_a_fault_in_starting_it_keeps_nothing(make, pump, caplog):
    def fail():
        raise ZeroDivisionError

    starter = Starter()
    run = make("echo 20 a/b", threads=starter)
    run.begin(pump)
    run._start._script.start = fail
    with pytest.raises(ZeroDivisionError):
        starter.go()
    with pytest.raises(CGIError):
        pump.wait_for(run, run.settle)
    run.close()
    assert "script /cgi-bin/script can't be started: a fault of gemd itself" in caplog.text
    assert run.left == 1


def test_it_is_started_when_its_turn_has_come(make, pump):
    places = Places(1, 1)
    other = places.request("192.0.2.2", lambda _: None)
    run = make("echo 20 a/b; echo x", places=places)
    run.begin(pump)
    assert (run.settle(), tuple(run.descriptors)) == (None, ())
    other.leave()
    assert pump.wait_for(run, run.settle).status == 20
    assert pump.read(run) == b"x\n"
    assert SCRIPT_THREADS.wait(15)
    assert not places.are_taken


def test_its_own_time_begins_with_its_turn(make, pump):
    places = Places(1, 1)
    other = places.request("192.0.2.2", lambda _: None)
    run = make("echo 20 a/b", places=places)
    run.begin(pump)
    run._header_at = run._end_at = time.monotonic() + 0.01
    other.leave()
    assert run._header_at > time.monotonic() + 10
    assert pump.wait_for(run, run.settle).status == 20
    run.close()


def test_one_whose_turn_does_not_come_is_answered_41(make, pump, tmp_path):
    places = Places(1, 1)
    other = places.request("192.0.2.2", lambda _: None)
    run = make("touch $DIR/ran", header=0.05, places=places)
    with pytest.raises(Overloaded):
        pump.settle(run)
    other.leave()
    assert SCRIPT_THREADS.wait(15)
    assert not places.are_taken
    assert not (tmp_path / "ran").exists()


def test_closed_as_its_turn_comes(make, tmp_path):
    """Whichever of two threads comes first."""
    for _ in range(30):
        places = Places(1, 1)
        other = places.request("192.0.2.2", lambda _: None)
        run = make("touch $DIR/ran; sleep 60", places=places)
        run.begin(SimpleNamespace(client=CLIENT, wake=lambda: None))
        leaving = threading.Thread(target=other.leave)
        leaving.start()
        run.close()
        leaving.join()
        assert SCRIPT_THREADS.wait(15)
        assert not places.are_taken


@pytest.mark.parametrize("environ", [{"A": "\0"}, {"A": "\ud800"}, {"A=B": "x"}, {"A": "x" * 3_000_000}])
def test_an_environment_that_can_not_be(make, pump, caplog, environ):
    """Neither ends the thread that starts scripts."""
    run = make("echo 20 a/b")
    run._start._environ = environ
    with pytest.raises(CGIError):
        pump.settle(run)
    assert "can't be started: " in caplog.text
    with Pump() as other:
        after = make("echo 20 a/b")
        assert other.settle(after).status == 20
        after.close()


@pytest.fixture
def dead(tmp_path):
    """An interpreter that does not load, as on a file system that does not answer, until `dead.revive` is called."""
    path = tmp_path / "interpreter"
    shutil.copy("/bin/sh", path)
    descriptor = os.open(path, os.O_RDONLY)
    revive = functools.partial(fcntl.fcntl, descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # of which nobody takes notice
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)  # whoever opens it waits until this is given up
    except OSError as error:
        pytest.skip(f"no leases here: {error}")
    yield SimpleNamespace(path=path, revive=revive)
    with contextlib.suppress(BlockingIOError):  # it has been given up
        revive()
    os.close(descriptor)


def test_one_that_does_not_load_stops_no_other_and_has_its_time(make, pump, dead, caplog):
    hanging = make(f"#!{dead.path}\necho 20 a/b", header=0.3)
    hanging.begin(pump)
    wait_for(lambda: hanging._start._is_starting, "its start")
    with Pump() as other:
        run = make("echo 20 a/b", name="second")
        assert other.settle(run).status == 20
        run.close()
    with pytest.raises(CGIError):
        pump.wait_for(hanging, hanging.settle)
    assert "wrote no header within 0.3 s (timeouts.cgi-header)" in caplog.text
    hanging.close()
    assert hanging.left == 0  # it may still run
    dead.revive()
    assert SCRIPT_THREADS.wait(15)
    assert hanging.left == 1


# Closed at every moment


def test_closed_before_it_began(make):
    run = make("touch $DIR/ran")
    run.close()
    assert run.left == 0  # it had none


def test_closed_before_its_start_it_never_runs(make, tmp_path):
    starter = Starter()
    run = make("touch $DIR/ran; sleep 60", threads=starter)
    run.begin(SimpleNamespace(client=CLIENT, wake=lambda: pytest.fail("it was closed")))
    run.close()
    assert run.left == 1
    starter.go()
    assert (run.left, run._start._is_started) == (1, False)
    assert not (tmp_path / "ran").exists()


def test_closed_while_it_starts(make, monkeypatch):
    starter = Starter()
    run = make("sleep 60", threads=starter)
    run.begin(SimpleNamespace(client=CLIENT, wake=lambda: pytest.fail("it was closed")))
    script = run._start._script
    start_script = script.start

    def start_and_close():
        start_script()
        run.close()
        assert run.left == 0  # its place is taken while it lives

    monkeypatch.setattr(script, "start", start_and_close)
    starter.go()
    assert SCRIPT_THREADS.wait(15)
    assert run.left == 1
    assert not exists(script.pid)


def test_closed_while_its_start_fails(make, monkeypatch):
    starter = Starter()

    def fail():
        run.close()
        raise ScriptError("can't be started")

    run = make("", threads=starter)
    run.begin(SimpleNamespace(client=CLIENT, wake=lambda: pytest.fail("it was closed")))
    monkeypatch.setattr(run._start._script, "start", fail)
    starter.go()
    assert run.left == 1


@pytest.mark.parametrize("text", ["sleep 60", "trap '' TERM; echo up >&2; while :; do sleep 1; done"])
def test_closed_while_it_runs_its_place_is_free_when_it_has_ended(make, text):
    run = make(text)
    with Pump() as pump:
        run.begin(pump)
        wait_for(lambda: run._start._is_started, "its start")
        run.settle()
        pid = run._start._script.pid
        is_gone = []
        leave = run._start._places.leave
        run._start._places.leave = lambda place: (is_gone.append(not exists(pid)), leave(place))
        run.close()
        assert SCRIPT_THREADS.wait(15)
    assert (is_gone, run.left) == ([True], 1)


def test_closed_in_the_middle_of_its_body(make, pump):
    run = make("echo 20 a/b; yes")
    pump.settle(run)
    assert run.read() is not None or pump.wait_for(run, run.read)
    pid = run._start._script.pid
    run.close()
    assert SCRIPT_THREADS.wait(15)
    assert (run.left, exists(pid)) == (1, False)


def test_closed_when_it_has_ended_it_waits_for_nothing(make, pump):
    run = make("echo 20 a/b")
    pump.settle(run)
    start = time.monotonic()
    pump.read(run)
    assert SCRIPT_THREADS.wait(15)
    assert time.monotonic() - start < 0.4
    assert run.left == 1


def test_closed_and_started_at_once_it_is_ended_once(make):
    """Whichever of two threads comes first."""
    for _ in range(30):
        run = make("sleep 60")
        woken = []
        run.begin(SimpleNamespace(client=CLIENT, wake=lambda woken=woken: woken.append(True)))
        closing = threading.Thread(target=run.close)
        closing.start()
        closing.join()
        so_far = len(woken)
        assert SCRIPT_THREADS.wait(15)
        assert (run.left, len(woken)) == (1, so_far)  # nobody is woken who has left


def test_no_descriptor_is_left_open(make, answer):
    answer("echo 20 a/b")  # the threads have begun
    assert SCRIPT_THREADS.wait(15)
    before = open_descriptors()
    for text in ("echo 20 a/b; echo x", "echo 51 no", "exit 1", "echo 20 a/b; yes", "#!/nowhere"):
        try:
            answer(text, output=100_000)
        except (CGIError, BrokenBody):
            continue
    for _ in range(3):
        make("sleep 60").close()
    assert SCRIPT_THREADS.wait(15)
    assert open_descriptors() == before


# What it says on stderr


def said(caplog):
    return [text for record in caplog.records if " says" in (text := record.getMessage())]


@pytest.mark.parametrize(
    "text", ["echo 20 a/b", "echo 51 no", "exit 3", "echo 20 a/b; exit 3", "echo garbage", "exec >&-", "sleep 60"]
)
def test_stderr_is_logged_once_however_it_ends(make, pump, caplog, text):
    run = make(f"echo one >&2; printf 'two \\033[31m' >&2; {text}", header=0.5)
    try:
        response = pump.settle(run)
        if response.body is run:
            pump.read(run)
    except (CGIError, BrokenBody):
        pass
    assert SCRIPT_THREADS.wait(15)
    assert said(caplog) == ["script /cgi-bin/script says: one", "script /cgi-bin/script says: two \x1b[31m"]


def test_stderr_is_bounded(make, pump, caplog):
    run = make("i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done; echo 20 a/b")
    pump.settle(run)
    pump.read(run)
    assert SCRIPT_THREADS.wait(15)
    assert len(said(caplog)) == 21
    assert said(caplog)[-1] == "script /cgi-bin/script says 10 lines more"


def test_a_long_line_is_cut(make, pump, caplog):
    run = make("printf '%5000s\\n' x >&2; echo 20 a/b")
    pump.settle(run)
    pump.read(run)
    assert SCRIPT_THREADS.wait(15)
    assert [len(line) for line in said(caplog)] == [len("script /cgi-bin/script says: ") + 500]


def test_a_script_that_is_told_to_end_may_still_say_why(make, tmp_path, caplog):
    run = make("trap 'echo goodbye >&2; exit' TERM; touch $DIR/up; while :; do sleep 0.05; done")
    with Pump() as pump:
        run.begin(pump)
        wait_for(lambda: (tmp_path / "up").exists(), "its start")
        run.close()
        assert SCRIPT_THREADS.wait(15)
    assert "script /cgi-bin/script says: goodbye" in said(caplog)  # behind what the shell says of its command


# What goes on after the answer

GOES_ON = "exec >&-; trap '' TERM; sleep 60"


@pytest.mark.parametrize(
    ("text", "after", "line"),
    [
        (f"echo 20 a/b; {GOES_ON}", 0.0, "cgi.after = 0"),
        (f"echo 20 a/b; {GOES_ON}", 0.3, "cgi.after = 0.3"),
        (f"echo 10 Name?; {GOES_ON}", 0.3, "cgi.after = 0.3"),
        (f"echo nothing; {GOES_ON}", 0.3, None),
        ("echo 20 a/b; exec >&-; sleep 0.01", 15.0, None),
    ],
)
def test_what_goes_on_has_its_time_and_place_and_what_is_ended_is_told(make, pump, caplog, text, after, line):
    """Where there is no answer, no more is wanted of it."""
    run = make(text, after=after)
    began = time.monotonic()
    with contextlib.suppress(CGIError):
        response = pump.settle(run)
        if response.body is run:
            pump.read(run)
    if line is not None and after:
        assert run.left == 0
    assert SCRIPT_THREADS.wait(15)
    assert run.left == 1
    if line is not None:
        assert time.monotonic() - began >= after
    told = [message for message in caplog.messages if "went on after its answer" in message]
    expected = f"script /cgi-bin/script went on after its answer and was ended ({line}): 1 of its processes, or more"
    assert told == ([expected] if line is not None else [])
