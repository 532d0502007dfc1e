import os
import subprocess
import sys
import time
from pathlib import Path

# Its pipe stays open; it says in a file what became of it.
DETACH = """
import os, sys
from gemd.system.detach import detach_process
kept, dropped = os.open("/dev/null", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)
os.umask(0o027)
parent = os.getpid()
detach_process([kept])
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
umask = os.umask(0)
streams = {os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)}
who = os.getpid() == parent, os.getsid(0) != os.getpid()
text = repr((os.getcwd(), umask, *who, is_open(kept), is_open(dropped), streams))
with open(sys.argv[1] + ".new", "w") as file:
    file.write(text)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""


def test_what_is_left_of_the_shell_that_started_it(tmp_path):
    answer = tmp_path / "answer"
    done = subprocess.run([sys.executable, "-c", DETACH, answer], env=dict(os.environ), timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    end = time.monotonic() + 30
    while not answer.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    directory, umask, is_same, has_no_terminal, kept, dropped, streams = eval(Path(answer).read_text())
    assert (directory, umask, is_same, has_no_terminal) == ("/", 0o027, False, True)
    assert (kept, dropped) == (True, False)
    assert streams == {"/dev/null"}
