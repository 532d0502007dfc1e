"""The process that imports an application, and says what came of it. What is made of that is told in test_trials."""

import json
import os
import subprocess

import pytest

from gemd.config.host_settings import Location
from gemd.shared.host_process import write_setup
from gemd.system.interpreter import interpreter_command

from .conftest import make_setup


@pytest.fixture
def run(write):
    """Run one for a module with this text: what it said, and its exit code."""

    def run(text, parent=None, **keys):
        folder = write("mine", text).parent
        setup = write_setup(make_setup(Location(app="mine:app", app_path=str(folder), **keys)))
        out, its = os.pipe()
        command = interpreter_command("gemd.app_host.trial", its, parent or os.getpid())
        with os.fdopen(setup, "rb") as told, os.fdopen(out, "rb") as said:
            code = subprocess.run(command, stdin=told, pass_fds=[its], timeout=60, check=False).returncode
            os.close(its)
            return said.read(), code

    return run


APP = "def app(environ, send_status): pass\n"


def test_it_says_which_modules_there_are_in_one_line(run, write):
    part, jetforce = write("part", ""), write("jetforce", "")
    said, code = run("import part\n" + APP)
    assert (said[-1:], said.count(b"\n"), code) == (b"\n", 1, 0)
    result = json.loads(said)
    assert result["modules"] == {"part": str(part), "mine": str(part.with_name("mine.py"))}
    assert (result["uses_jetforce"], result["error"]) == (False, None)
    result = json.loads(run("import jetforce\n" + APP)[0])
    assert result["uses_jetforce"]
    assert result["modules"]["jetforce"] == str(jetforce)


def test_what_its_code_raises_is_said_with_its_own_lines(run):
    result = json.loads(run("1 / 0")[0])
    assert result["error"] == "the application mine:app can't be loaded: ZeroDivisionError: division by zero"
    assert "mine.py" in result["lines"][0]


def test_it_can_not_be_where_there_is_no_directory(run):
    result = json.loads(run(APP, app_directory="/none_of_that_name")[0])
    assert result["error"].startswith("the application mine:app can't be loaded: ")
    assert "/none_of_that_name" in result["error"]


def test_it_says_nothing_where_who_asked_is_gone(run):
    assert run(APP, parent=1) == (b"", 0)
