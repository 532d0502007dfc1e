"""The threads that start scripts and end them: nobody waits for anybody else."""

import contextlib
import os
import threading
import time

import pytest

from gemd.system import script_starts, script_threads
from gemd.system.running_script import TERM_TIMEOUT, Remains
from gemd.system.script import Script
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_start import ScriptFile
from gemd.system.script_starts import MAX_STARTERS
from gemd.system.script_threads import ScriptThreads
from tests.support.processes import exists
from tests.support.scripts import started
from tests.support.waiting import wait_for

STUBBORN = "trap '' TERM; echo up; while :; do sleep 1; done"
ENVIRON = {"PATH": os.environ["PATH"]}


@pytest.fixture
def threads():
    """Some for this test alone. They stay, as they do in a worker, and wait for nothing more to come."""
    threads = ScriptThreads()
    yield threads
    assert threads.wait(15)


@pytest.fixture
def start(tmp_path):
    """Start a script in sh, and wait for its first output, if it has any."""

    def start(text):
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        with contextlib.closing(ScriptFile(str(path))) as file:
            script = started(Script(file, ENVIRON, ScriptLimits()))
        wait_for(lambda: script.has_ended() or script.read(), "its first output")
        return script

    return start


def test_starts_one_after_the_other_are_one_thread_s_work(threads):
    done = []
    for number in range(5):
        threads.start(lambda number=number: done.append((number, threading.current_thread())), "x")
        assert threads.wait(15)
    assert [number for number, _ in done] == list(range(5))
    assert len({thread for _, thread in done} | {threading.current_thread()}) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_another_thread_takes_the_place_of_one_whose_work_raised(threads):
    done = []

    def fail():
        done.append(threading.current_thread())
        raise MemoryError

    for _ in range(MAX_STARTERS + 1):
        threads.start(fail, "x")
        assert threads.wait(15)
    threads.start(lambda: done.append(threading.current_thread()), "x")
    assert threads.wait(15)
    assert len(set(done)) == len(done)
    for thread in done[:-1]:
        thread.join(15)


class Hanging:
    """A start that hangs until it is told to go on."""

    def __init__(self):
        self.has_begun, self._may_go_on = threading.Event(), threading.Event()

    def __call__(self):
        self.has_begun.set()
        self._may_go_on.wait(30)

    def begin(self, threads, program):
        threads.start(self, program)
        assert self.has_begun.wait(15)

    def go_on(self):
        self._may_go_on.set()


@pytest.fixture
def hang(threads):
    """Have the starts of these programs hang until the test is over."""
    hanging = []

    def hang(*programs):
        for program in programs:
            hanging.append(Hanging())
            hanging[-1].begin(threads, program)
        return hanging

    yield hang
    for start in hanging:
        start.go_on()


@pytest.fixture
def patient(monkeypatch):
    """However long a start takes here, it is not taken to hang."""
    monkeypatch.setattr(script_starts, "_HANG_TIMEOUT", 3600.0)


@pytest.fixture
def impatient(monkeypatch):
    """Any start that has begun is taken to hang."""

    def begin():
        for name in ("_PATIENCE", "_HANG_TIMEOUT"):
            monkeypatch.setattr(script_starts, name, 0.0)

    return begin


@pytest.mark.usefixtures("patient")
def test_a_start_that_hangs_stops_no_other(threads, hang):
    hang("a", "b")
    done = threading.Event()
    threads.start(done.set, "c")
    assert done.wait(15)


@pytest.mark.usefixtures("patient")
def test_at_most_so_many_start_at_once_and_the_others_wait(threads, hang):
    starts = hang(*"abcdefgh")
    done, before = threading.Event(), threading.active_count()
    threads.start(done.set, "i")
    assert threading.active_count() == before
    assert not done.is_set()
    starts[3].go_on()
    assert done.wait(15)


@pytest.mark.usefixtures("patient")
def test_one_program_holds_half_of_them_up_at_most(threads, hang):
    starts = hang(*"aaaa")
    done, also_done = threading.Event(), threading.Event()
    threads.start(also_done.set, "a")
    threads.start(done.set, "b")
    assert done.wait(15)
    assert not also_done.is_set()
    starts[0].go_on()
    assert also_done.wait(15)


def test_when_all_of_one_program_hang_no_other_is_tried(threads, hang, impatient):
    starts = hang(*"aaaa")
    impatient()
    with pytest.raises(OSError, match="earlier starts have not come back"):
        threads.start(lambda: pytest.fail("it was started"), "a")
    for start in starts:
        start.go_on()
    assert threads.wait(15)
    done = threading.Event()
    threads.start(done.set, "a")
    assert done.wait(15)


def test_where_all_hang_nobody_waits_for_them(threads, hang, impatient):
    hang(*"abcdefgh")
    impatient()
    with pytest.raises(OSError, match="earlier starts have not come back"):
        threads.start(lambda: pytest.fail("it was started"), "i")


@pytest.mark.usefixtures("patient")
def test_no_further_thread_for_starts_is_no_failure_while_there_is_one(threads, hang, impatient, monkeypatch):
    (start,) = hang("a")
    monkeypatch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("no more threads")))
    done = threading.Event()
    threads.start(done.set, "b")
    impatient()
    with pytest.raises(OSError, match="no more threads"):
        threads.start(lambda: pytest.fail("it was started"), "c")
    start.go_on()
    assert done.wait(15)


def test_an_end_is_told_of_once_when_nothing_is_left(threads, start):
    script, told = start("echo up; sleep 60"), []
    threads.end(script, is_over=False, then=lambda _: told.append((script, exists(script.pid))))
    assert threads.wait(15)
    assert told == [(script, False)]


def test_a_hanging_start_stops_no_end(threads, start):
    may_go_on, told = threading.Event(), []
    threads.start(lambda: may_go_on.wait(15), "x")
    threads.end(start("echo up; sleep 60"), is_over=False, then=lambda _: told.append(True))
    wait_for(lambda: told, "the end")
    assert not threads.wait(0)  # the start is not over
    may_go_on.set()


def test_one_that_obeys_has_not_to_be_waited_for(threads, start):
    before = time.monotonic()
    threads.end(start("echo up; sleep 60"), is_over=False, then=lambda _: None)
    assert threads.wait(15)
    assert time.monotonic() - before < TERM_TIMEOUT


def test_one_that_is_over_is_not_asked_first(threads, start, tmp_path):
    script = start(f"trap 'touch {tmp_path}/asked; exit' TERM; echo up; while :; do sleep 0.01; done")
    before = time.monotonic()
    threads.end(script, is_over=True, then=lambda _: None)
    assert threads.wait(15)
    assert time.monotonic() - before < TERM_TIMEOUT
    assert not (tmp_path / "asked").exists()


def test_those_that_are_stubborn_take_their_time_together(threads, start):
    scripts, told = [start(STUBBORN) for _ in range(10)], []
    before = time.monotonic()
    for script in scripts:
        threads.end(script, is_over=False, then=lambda _, script=script: told.append(script))
    assert time.monotonic() - before < TERM_TIMEOUT / 2  # who asks does not wait
    assert threads.wait(15)
    assert TERM_TIMEOUT <= time.monotonic() - before < 3 * TERM_TIMEOUT
    assert set(told) == set(scripts)
    assert not any(exists(script.pid) for script in scripts)


def test_one_that_comes_meanwhile_is_not_kept_waiting(threads, start):
    told = []
    stubborn, other = start(STUBBORN), start("echo up")
    threads.end(stubborn, is_over=False, then=lambda _: told.append(stubborn))
    threads.end(other, is_over=True, then=lambda _: told.append(other))
    assert threads.wait(15)
    assert told == [other, stubborn]


class Unkillable:
    """Waits for a disk: even SIGKILL ends it later. A pipe is its pidfd."""

    is_elsewhere = False

    def __init__(self):
        self._read, self._write = os.pipe()
        self.calls = []
        self._has_ended = False

    def fileno(self):
        return self._read

    def has_ended(self):
        return self._has_ended

    def terminate(self):
        self.calls.append("terminate")

    def kill(self):
        self.calls.append("kill")

    def end_if_gone(self):
        return False

    def end(self):
        self.calls.append("end")
        os.close(self._read)

    def end_at_last(self):
        self._has_ended = True
        os.close(self._write)


def test_one_that_does_not_even_end_when_it_is_killed_stops_no_other(threads, start):
    slow, told = Unkillable(), []
    threads.end(slow, is_over=False, then=lambda _: told.append(slow))
    wait_for(lambda: "kill" in slow.calls, "its kill")
    other = start(STUBBORN)
    threads.end(other, is_over=False, then=lambda _: told.append(other))
    wait_for(lambda: told, "the end of the other")
    assert (told, slow.calls) == ([other], ["terminate", "kill"])  # and it is killed once
    slow.end_at_last()
    assert threads.wait(15)
    assert (told, slow.calls[-1]) == ([other, slow], "end")


def test_no_thread_for_starts(threads, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("no more threads")))
    with pytest.raises(OSError, match="no more threads"):
        threads.start(lambda: pytest.fail("it was started"), "x")
    monkeypatch.undo()
    done = []
    threads.start(lambda: done.append(True), "x")  # and there is one the next time
    assert threads.wait(15)
    assert done == [True]


@pytest.mark.parametrize("lacking", ["thread", "descriptor"])
def test_no_thread_for_ends(threads, start, monkeypatch, lacking):
    def fail(*_):
        raise OSError(24, "none is left")

    script, told = start(STUBBORN), []
    if lacking == "thread":
        monkeypatch.setattr(script_threads, "_launch", fail)
    else:
        monkeypatch.setattr(os, "eventfd", fail)
    threads.end(script, is_over=False, then=lambda _: told.append(script))
    assert told == [script]  # at once, since nobody else could do it
    assert not exists(script.pid)


def test_wait_waits_for_what_is_asked_for_and_no_longer(threads, start):
    assert threads.wait(0)
    threads.end(start(STUBBORN), is_over=False, then=lambda _: None)
    before = time.monotonic()
    assert not threads.wait(0.1)
    assert time.monotonic() - before < TERM_TIMEOUT
    assert threads.wait(15)


def test_a_start_that_asks_for_an_end_is_waited_for(threads, start):
    """The worker leaves when nothing is left: not between the two."""
    told = []

    def start_late():
        time.sleep(0.1)
        threads.end(start("echo up; sleep 60"), is_over=False, then=lambda _: told.append(True))

    threads.start(start_late, "x")
    assert threads.wait(15)
    assert len(told) == 1


def test_many_threads_may_ask_at_once(threads, start):
    told = []
    scripts = [start("echo up; sleep 60") for _ in range(8)]
    asking = [
        threading.Thread(
            target=threads.end,
            args=(script,),
            kwargs={"is_over": False, "then": lambda _, script=script: told.append(script)},
        )
        for script in scripts
    ]
    before = threading.active_count()
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert threads.wait(15)
    assert threading.active_count() == before + 1
    assert set(told) == set(scripts)


def test_nothing_is_kept_of_what_is_over(threads, start):
    import gc
    import weakref

    script = start("echo up")
    seen = weakref.ref(script)
    threads.end(script, is_over=True, then=lambda _: None)
    assert threads.wait(15)
    del script
    wait_for(lambda: (gc.collect(), seen() is None)[1], "it to be forgotten", 5)


def test_each_that_starts_is_restricted_first_and_who_ends_is_not(threads, hang):
    """A thread is restricted as the one is that launches it."""
    restricted, ran = [], []
    threads.confine(lambda: restricted.append(threading.get_ident()))
    hang("a", "b")
    assert len(restricted) == 2
    threads.start(lambda: ran.append(threading.get_ident()), "c")
    wait_for(lambda: ran, "the start")
    assert ran[0] in restricted
    assert len(restricted) == 3
    assert threads._ender.ident not in restricted


def test_one_that_can_not_be_restricted_starts_nothing(threads):
    def refuse():
        raise PermissionError(1, "Operation not permitted")

    threads.confine(refuse)
    before = threading.active_count()
    for _ in range(20):
        with pytest.raises(OSError, match="it can't be confined: Operation not permitted"):
            threads.start(lambda: pytest.fail("it was started"), "a")
    wait_for(lambda: threading.active_count() <= before + 1, "all but the one for ends to be gone")


def test_a_sweep_that_a_restricted_thread_could_not_make_is_made_by_another(threads, monkeypatch):
    """By the one that ends scripts, and once."""
    swept, due = [], [True]

    def sweep():
        swept.append(threading.get_ident())
        due.clear()

    monkeypatch.setattr(script_threads, "is_sweep_due", lambda: bool(due))
    monkeypatch.setattr(script_threads, "kill_orphans", sweep)
    threads.start(lambda: None, "a")
    wait_for(lambda: swept, "the sweep")
    assert swept == [threads._ender.ident]


# What goes on after an answer


class Lingering(Unkillable):
    """Has ended, and left something behind that goes on until it is told to end."""

    def __init__(self):
        super().__init__()
        self.is_left = True
        self.end_at_last()

    def goes_on(self):
        return self.is_left

    def terminate(self):
        super().terminate()
        self.is_left = False

    def end(self):
        super().end()
        return Remains(1, 0)


@pytest.fixture
def linger(threads):
    """Have one go on for a minute; it, and what is told when nothing is left."""

    def linger(after=60.0):
        script, told = Lingering(), []
        return script, told, threads.end(script, is_over=True, then=told.append, after=after)

    return linger


def test_what_goes_on_is_waited_for_and_holds_up_no_other(threads, linger, start):
    script, told, _ = linger()
    others = []
    threads.end(start("echo up"), is_over=True, then=others.append)
    wait_for(lambda: others, "the end of the other")
    assert told == script.calls == []
    assert not threads.wait_for_rest(0)
    script.is_left = False
    assert threads.wait_for_rest(15)
    assert threads.wait(15)
    assert (told, script.calls) == ([Remains(1, 0)], ["end"])


def test_what_goes_on_may_be_hurried(threads, linger):
    script, _, ending = linger()
    threads.hurry(ending)
    assert threads.wait(15)
    assert script.calls == ["terminate", "end"]


def test_what_goes_on_of_all_may_be_limited(threads, linger):
    """Also of those that come later."""
    script, *_ = linger()
    threads.limit_rest(time.monotonic() + 60)
    assert not threads.wait_for_rest(0.1)
    assert script.calls == []
    threads.limit_rest(time.monotonic())
    assert threads.wait_for_rest(15)
    threads.limit_rest(time.monotonic() + 60)  # a later limit forgives nobody
    later, *_ = linger()
    assert threads.wait_for_rest(15)
    assert script.calls == later.calls == ["terminate", "end"]


def test_what_may_not_go_on_is_no_rest(threads, linger):
    script, _, _ = linger(after=0.0)
    assert threads.wait_for_rest(0)
    assert threads.wait(15)
    assert script.calls == ["kill", "end"]  # without being asked


def test_without_a_thread_to_wait_nothing_goes_on(threads, linger, monkeypatch):
    monkeypatch.setattr(script_threads, "_launch", lambda *_: (_ for _ in ()).throw(OSError(11, "none is left")))
    script, told, ending = linger()
    assert (ending, told, script.calls) == (None, [Remains(1, 0)], ["end"])
