import subprocess
import sys

import pytest

from gemd.system.interpreter import interpreter_command

SHOWS = """
import os, sys
def main(first, second):
    print(first + second, sys.flags.dont_write_bytecode, sys.flags.utf8_mode, "PYTHONPATH" in os.environ)
    return 7
"""


@pytest.mark.parametrize("writes", [True, False])
def test_it_calls_main_with_two_numbers(tmp_path, monkeypatch, writes):
    (tmp_path / "shows.py").write_text(SHOWS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", not writes)
    result = subprocess.run(interpreter_command("shows", 40, 2), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.split()) == (7, ["42", str(int(not writes)), "1", "False"]), result.stderr


def test_the_environment_has_no_say_in_what_it_imports(tmp_path):
    (tmp_path / "shows.py").write_text(SHOWS)
    command = interpreter_command("shows", 40, 2)
    result = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "No module named 'shows'" in result.stderr
