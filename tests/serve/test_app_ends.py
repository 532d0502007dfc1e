"""How an application's code ends: its exit handlers as a worker ends, and processes that it has forked itself."""

import os
import signal

import pytest

from tests.support.processes import is_alive

from .applications import serve_app, write  # noqa: F401, fixtures
from .conftest import wait_for

LEAVING = """
import atexit, os, sqlite3, threading, time

DATABASE = sqlite3.connect(":memory:")
THREAD = threading.get_ident()

def note(word):
    with open(os.environ["TRACE"], "a") as file:
        file.write(f"{os.getpid()} {word}\\n")

@atexit.register
def close():
    DATABASE.execute("SELECT 1")  # which no other thread may
    DATABASE.close()
    note(f"closed {threading.get_ident() == THREAD}")

def app(environ, send_status):
    send_status(20, "text/plain")
    if environ["GEMINI_URL"].endswith("/hang"):
        time.sleep(60)
    return str(os.getpid())
"""


def traced(tmp_path):
    path = tmp_path / "trace"
    return path.read_text().splitlines() if path.exists() else []


def test_exit_handlers_run_where_a_worker_ends_as_planned(serve_app, write, tmp_path):
    write("leaving.py", LEAVING)
    daemon = serve_app("leaving:app", more="max-requests = 3\n")
    first = set(daemon.workers)
    while not traced(tmp_path):  # recycled
        daemon.ask("/")
    wait_for(lambda: len(set(daemon.workers) - first) >= 1, "the next worker")
    daemon.reload()
    wait_for(lambda: not set(daemon.workers) & first, "the workers of the first generation to end")
    seen = first | set(daemon.workers)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    lines = traced(tmp_path)
    assert {line.partition(" ")[2] for line in lines} == {"closed True"}
    pids = [int(line.split()[0]) for line in lines]
    assert len(pids) == len(set(pids))
    assert seen <= set(pids)


def test_what_a_preloaded_application_registered_is_the_masters(serve_app, write, tmp_path):
    write(
        "leaving.py",
        LEAVING.replace("    DATABASE.execute", "    # DATABASE.execute").replace("DATABASE.close()", "pass"),
    )
    daemon = serve_app("leaving:app", keys="preload = true\n")
    daemon.reload()
    wait_for(lambda: len(daemon.workers) == 2, "the old workers to end")
    assert traced(tmp_path) == []
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    assert {int(line.split()[0]) for line in traced(tmp_path)} == {daemon.process.pid}


FAILING = """
import atexit, os, time
@atexit.register
def hang():
    time.sleep(60)
@atexit.register
def fail():
    raise LookupError("no such thing")
def app(environ, send_status):
    send_status(20, "text/plain")
"""


def test_exit_handlers_that_fail_or_hang_hold_nothing_up(serve_app, write):
    write("failing.py", FAILING)
    daemon = serve_app("failing:app", workers=1, more="[timeouts]\nstop = 4\n")
    daemon.expect(
        "an exit handler of an application failed", "Traceback", "LookupError", "exit handlers of applications"
    )
    worker = daemon.workers[0]
    os.kill(daemon.process.pid, signal.SIGTERM)
    assert daemon.process.wait(15) == 0
    assert "LookupError: no such thing" in daemon.errors
    assert "exit handlers of applications did not end within" in daemon.errors
    assert not is_alive(worker)
    assert "killed" not in daemon.errors


def test_code_that_does_not_come_back_keeps_no_exit_handler_from_running(serve_app, write, tmp_path):
    write(
        "leaving.py",
        LEAVING.replace("    DATABASE.execute", "    # DATABASE.execute").replace("DATABASE.close()", "pass"),
    )
    daemon = serve_app("leaving:app", workers=1, more="[timeouts]\napp = 1\nstop = 6\n")
    daemon.expect("did not answer in time", "does not come back", "ended")
    assert daemon.ask("/hang").status == 42
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(15) == 0
    assert "closed False" in {line.partition(" ")[2] for line in traced(tmp_path)}


FORKING = """
import os, sys, time

CHILDREN = []

def app(environ, send_status):
    word = environ["GEMINI_URL"].rpartition("/")[2]
    if word == "children":
        send_status(20, "text/plain")
        return " ".join(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) for pid in CHILDREN)
    child = os.fork()
    if child == 0:
        send_status(20, "text/plain")
        if word == "exit":
            sys.exit(3)
        if word == "raise":
            raise LookupError("in a child")
        return stream("child") if word == "stream" else "child"
    CHILDREN.append(child)
    send_status(20, "text/plain")
    return stream("parent") if word == "stream" else "parent"

def stream(word):
    yield word
    yield f" {word}"
"""
MULTI_THREADED = "DeprecationWarning: This process .* is multi-threaded, use of fork"
CODES = {"exit": 3, "raise": 1, "return": 0, "stream": 0}


def test_processes_that_an_application_forks_end_where_they_come_back(serve_app, write):
    write("forking.py", FORKING)
    daemon = serve_app("forking:app", workers=1)
    daemon.expect("Traceback", "LookupError: in a child", MULTI_THREADED)
    worker = daemon.workers[0]
    for word in CODES:
        answer = daemon.ask(f"/{word}")
        expected = "parent parent" if word == "stream" else "parent"
        assert (answer.header, answer.text, answer.complete) == ("20 text/plain", expected, True)
    assert list(map(int, daemon.ask("/children").text.split())) == list(CODES.values())
    assert daemon.workers == [worker]


IMPORTED = """
import os
CHILD = os.fork()
if CHILD == 0:
    raise SystemExit(5)
CODE = os.waitstatus_to_exitcode(os.waitpid(CHILD, 0)[1])

def app(environ, send_status):
    send_status(20, "text/plain")
    return str(CODE)
"""


@pytest.mark.parametrize("keys", ["", "preload = true\n"])
def test_a_process_that_an_import_forks_ends_too(serve_app, write, keys):
    write("imported.py", IMPORTED)
    daemon = serve_app("imported:app", workers=1, keys=keys)
    daemon.expect(MULTI_THREADED)
    assert daemon.ask("/").text == "5"
    daemon.reload()
    assert daemon.ask("/").text == "5"
