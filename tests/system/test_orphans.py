"""Orphans, in a process of its own each: whatever is a child of the one that runs the tests would be killed."""

import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import itertools, os, subprocess, threading, time
from gemd.system import orphans
from gemd.system.script import Script
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_start import ScriptFile

def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

def start(text):
    path = os.path.abspath(f"script{next(numbers)}")  # a shell may still be reading the one before
    with open(path, "w") as file:
        file.write("#!/bin/sh\\n" + text + "\\n")
    os.chmod(path, 0o755)
    started = []
    # scripts are started by another thread than the main one, whose children are orphans
    def start_and_stay():
        script = Script(ScriptFile(path), dict(os.environ), ScriptLimits())
        script.start()
        started.append(script)
        keep.wait()
    thread = threading.Thread(target=start_and_stay, daemon=True)
    thread.start()
    while not started:
        time.sleep(0.001)
    return started[0]

def said(script, lines):
    output, end = b"", time.monotonic() + 10
    while output.count(b"\\n") < lines:
        output += script.read() or b""
        assert time.monotonic() < end
    return [int(line) for line in output.split()]

def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)

keep = threading.Event()
numbers = itertools.count()
orphans.adopt_orphans()
ORPHAN = "(sleep 60 & echo $!); "
WAIT = "while [ ! -e go ]; do sleep 0.01; done"
DAEMON = "(setsid sh -c 'echo $$; exec sleep 60' &); "
"""


@pytest.fixture
def tell(tmp_path):
    """Run a story in a process of its own."""

    def tell(story):
        text = PRELUDE + textwrap.dedent(story)
        done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    return tell


def test_what_a_script_leaves_behind_goes_with_it(tell):
    tell("""
    script = start(ORPHAN + DAEMON + "sleep 60")
    orphan, daemon = said(script, 2)
    wait_until(lambda: {orphan, daemon} & set(orphans._read_children()))
    script.end()
    assert not is_alive(orphan)
    wait_until(lambda: not is_alive(daemon))
    """)


def test_what_is_in_the_session_of_another_that_runs_stays(tell):
    tell("""
    running, other = start(ORPHAN + "sleep 60"), start("exit 0")
    (orphan,) = said(running, 1)
    wait_until(lambda: orphan in orphans._read_children())
    other.end()
    assert is_alive(orphan) and is_alive(running.pid)
    running.end()
    assert not is_alive(orphan)
    """)


def test_what_goes_on_of_a_script_is_what_its_session_has_left(tell):
    tell("""
    script, other = start(ORPHAN + "(exit 0) & (exec sleep 0.1) & " + DAEMON + WAIT), start(ORPHAN + "sleep 60")
    orphan, daemon = said(script, 2)
    said(other, 1)
    open("go", "w").close()
    wait_until(script.has_ended)
    wait_until(lambda: orphans.find_left(script.pid) == [orphan])
    assert script.goes_on() and is_alive(daemon)
    os.kill(orphan, 9)
    wait_until(lambda: not script.goes_on())
    assert orphans.find_left(script.pid) == []
    assert not os.path.exists(f"/proc/{orphan}")  # it was reaped
    assert os.path.exists(f"/proc/{script.pid}")  # and its leader keeps its pid
    for each in (script, other):
        each.end()
    """)


def test_what_had_to_be_ended_is_told_by_who_ended_it(tell):
    """Of its session the processes that were seen, and those of any session that nobody answers for."""
    tell("""
    from gemd.system.script import Remains
    script, other = start(ORPHAN + ORPHAN + WAIT), start(DAEMON + WAIT)
    said(script, 2), said(other, 1)
    open("go", "w").close()
    wait_until(script.has_ended)
    wait_until(other.has_ended)
    wait_until(lambda: len(orphans._read_children()) == 3)
    assert script.end() == Remains(2, 1)
    assert other.end() == Remains()
    script = start("exit 0")
    wait_until(script.has_ended)
    assert script.end() == Remains()
    script = start("exec >&-; sleep 60")
    script.terminate()
    assert script.end() == Remains(1, 0)
    assert orphans.take_strays() == 0
    """)


def test_those_to_keep_stay(tell):
    tell("""
    kept, left = (subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(2))
    orphans.kill_orphans(keep=[kept.pid])
    wait_until(lambda: not is_alive(left.pid))
    assert is_alive(kept.pid)
    orphans.kill_orphans()
    assert not is_alive(kept.pid)
    """)


def test_a_start_that_hangs_stops_no_end_and_nothing_that_it_began_is_killed(tell):
    """Its pid is not known yet, so that nobody could tell whose the orphan is."""
    tell("""
    unknown = subprocess.Popen(["sleep", "60"], start_new_session=True)
    may_go_on = threading.Event()
    def hang():
        with orphans.Registration() as register:
            may_go_on.wait()
            register(unknown.pid)
    hanging = threading.Thread(target=hang)
    hanging.start()
    wait_until(lambda: orphans._starting)
    script = start(DAEMON + "sleep 60")
    (daemon,) = said(script, 1)
    before = time.monotonic()
    script.end()
    assert time.monotonic() - before < 1
    assert not is_alive(script.pid)
    assert is_alive(unknown.pid) and is_alive(daemon)
    may_go_on.set()
    hanging.join()
    assert is_alive(unknown.pid)
    wait_until(lambda: not is_alive(daemon))  # what was put off is made up for
    orphans.unregister(unknown.pid)
    orphans.kill_orphans()
    assert not is_alive(unknown.pid)
    """)


def test_a_start_that_hangs_for_long_puts_no_sweep_off(tell):
    tell("""
    orphans._START_TIMEOUT = 0.0
    with orphans.Registration():
        script = start(DAEMON + "sleep 60")
        (daemon,) = said(script, 1)
        script.end()
        wait_until(lambda: not is_alive(daemon))
    """)


def test_all_that_run_are_killed_at_once(tell):
    tell("""
    scripts = [start("trap '' TERM; sleep 60 & echo $!; wait") for _ in range(3)]
    pids = [said(script, 1)[0] for script in scripts]
    orphans.kill_running()
    wait_until(lambda: all(script.has_ended() for script in scripts) and not any(map(is_alive, pids)))
    """)


def test_a_start_that_fails_is_over(tell):
    tell("""
    try:
        with orphans.Registration():
            raise OSError
    except OSError:
        pass
    assert not orphans._starting
    """)


def test_a_kernel_that_lists_no_children_has_none(tell):
    tell("""
    orphans._children_file = None
    left = subprocess.Popen(["sleep", "60"])
    orphans.kill_orphans()
    assert is_alive(left.pid)
    left.kill()
    left.wait()
    """)


def test_what_may_not_be_killed_is_left_to_a_later_sweep(tell):
    """Landlock forbids it to a thread that starts scripts, of what another one has started."""
    tell("""
    left = subprocess.Popen(["sleep", "60"], start_new_session=True)
    real = os.kill
    def refuse(*_):
        raise PermissionError
    os.kill = refuse
    orphans.kill_orphans()
    os.kill = real
    assert is_alive(left.pid) and orphans.is_sweep_due()
    with orphans.Registration():
        assert not orphans.is_sweep_due()  # it would be put off again
    assert not orphans.is_sweep_due()
    assert not is_alive(left.pid)
    """)
