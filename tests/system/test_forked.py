import os
import subprocess
import sys

import pytest

from gemd.system.forked import end_if_forked

PROGRAM = """
import os, sys
from gemd.system.forked import end_if_forked

def work():
    print("worked")
    {end}

pid = os.getpid()
child = os.fork()
try:
    if child == 0:
        work()
finally:
    end_if_forked(pid, sys.exception())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
ENDS = {
    "it returns": ("return", 0, ""),
    "an exit": ("sys.exit()", 0, ""),
    "an exit with a code": ("sys.exit(3)", 3, ""),
    "an exit with a large code": ("sys.exit(257)", 1, ""),
    "an exit with a word": ("sys.exit('I leave')", 1, "I leave\n"),
    "an error": ("raise LookupError('no such thing')", 1, "LookupError: no such thing\n"),
    "what might steer a terminal": (r"raise LookupError('a\x1b[2J\nb')", 1, r"LookupError: a\x1b[2J\x0ab" "\n"),
    "a word that might": (r"sys.exit('a\x1b[2J')", 1, r"a\x1b[2J" "\n"),
    "an interrupt": ("raise KeyboardInterrupt", 1, "KeyboardInterrupt\n"),
    "its standard error is gone": ("sys.stderr = None\n    sys.exit('I leave')", 1, ""),
}


@pytest.mark.parametrize(("end", "code", "said"), ENDS.values(), ids=ENDS)
def test_a_child_ends_where_it_comes_back(end, code, said):
    command = [sys.executable, "-c", PROGRAM.replace("{end}", end)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == f"worked\n{code}\n"
    assert result.stderr.endswith(said)
    assert bool(result.stderr) == bool(said)


def test_the_process_itself_goes_on():
    end_if_forked(os.getpid(), None)
    end_if_forked(os.getpid(), SystemExit(3))
