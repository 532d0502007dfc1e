"""Each story in a process of its own: what pytest has registered is not to run."""

import subprocess
import sys

import pytest

BEGIN = """
import atexit, os, sys
from gemd.system.exit_handlers import forget_inherited_handlers, run_handlers
"""


@pytest.fixture
def run():
    """Run code; what it has written to standard output, and to standard error."""

    def run(code):
        command = [sys.executable, "-c", BEGIN + code]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return result.stdout, result.stderr

    return run


def test_the_last_one_runs_first_and_each_once(run):
    code = "for word in 'abc':\n    atexit.register(print, word)\nrun_handlers()\nrun_handlers()\n"
    assert run(code)[0] == "c\nb\na\n"


def test_what_is_printed_is_written_before_a_process_just_ends(run):
    assert run("print('printed')\natexit.register(print, 'bye')\nrun_handlers()\nos._exit(0)")[0] == "printed\nbye\n"


def test_what_was_registered_before_a_fork_is_the_parents(run):
    code = """
import logging
atexit.register(print, "parent's")
sys.stdout.flush()
if os.fork() == 0:
    forget_inherited_handlers()
    atexit.register(print, "child's")
    run_handlers()
    os._exit(0)
os.wait()
"""
    assert run(code)[0] == "child's\nparent's\n"


def test_logs_are_closed_in_every_process(run):
    code = """
import logging, logging.handlers
forget_inherited_handlers()
kept = logging.handlers.MemoryHandler(1000, target=logging.StreamHandler(sys.stdout))
logging.getLogger().addHandler(kept)
logging.warning("kept until the end")
run_handlers()
os._exit(0)
"""
    assert run(code)[0] == "kept until the end\n"


def test_what_one_raises_is_logged_and_the_others_run(run):
    code = """
def fail():
    raise LookupError("no such thing")
def leave():
    sys.exit("I leave")
for handler in (lambda: print("first"), fail, leave, lambda: print("last")):
    atexit.register(handler)
hook = sys.unraisablehook
run_handlers()
print(sys.unraisablehook is hook)
"""
    said, errors = run(code)
    assert said == "last\nfirst\nTrue\n"
    assert errors.count("an exit handler of an application failed") == 2
    assert "LookupError: no such thing" in errors
    assert "SystemExit: I leave" in errors


def test_what_else_can_not_be_raised_goes_where_it_went(run):
    code = """
class Faulty:
    def __del__(self):
        raise LookupError("in between")
def drop():
    Faulty()
atexit.register(drop)
run_handlers()
"""
    errors = run(code)[1]
    assert "in between" in errors
    assert "an exit handler" not in errors


@pytest.mark.parametrize("stream", ["None", "open(os.devnull)", "object()"])
def test_streams_that_can_not_be_written_are_no_error(run, stream):
    assert run(f"sys.stdout = {stream}\nrun_handlers()\nos.write(1, b'ok')\nos._exit(0)")[0] == "ok"
