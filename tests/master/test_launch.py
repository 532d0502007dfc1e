"""Starting as a daemon: what the shell is told, and what is left of it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.launch import Launch
from tests.support.waiting import wait_for

LONGEST = 30.0

START = """
import json, os, sys
from gemd.exit_codes import ExitCode
from gemd.master.launch import launch

kept = int(sys.argv[1])
line = launch([kept], "/var/log/gemd/error.log")
"""
REPORT = """
open_ones = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))
streams = [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)]
print("to nobody")
what = [os.getpid(), os.getsid(0), os.getcwd(), streams, len(open_ones), os.umask(0)]
os.write(kept, json.dumps(what).encode())
line.tell()
"""


@pytest.fixture
def start(tmp_path):
    """Run a program that detaches; its exit code, what it printed, and what its daemon has written."""

    def start(program):
        reader, writer = os.pipe()
        try:
            done = subprocess.run(
                [sys.executable, "-c", START + program, str(writer)],
                pass_fds=[writer],
                capture_output=True,
                text=True,
                timeout=LONGEST,
                umask=0o027,
                start_new_session=True,
            )
            os.set_blocking(reader, False)
            try:
                written = os.read(reader, 4096)
            except BlockingIOError:
                written = b""
        finally:
            os.close(writer)
            os.close(reader)
        return done, written

    return start


def test_the_shell_goes_on_when_the_daemon_says_so(start):
    done, written = start(REPORT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid, session, directory, streams, count, umask = json.loads(written)
    assert session != pid  # so that it never gets a terminal
    assert directory == "/"
    assert streams == ["/dev/null"] * 3
    assert count == 3 + 2  # what was to be kept, and the line to the shell
    assert umask == 0o027


CAUSES = {
    ExitCode.WORKERS: "the workers end before they serve",
    ExitCode.PRIVILEGES: "privileges could not be dropped as asked",
    ExitCode.APPLICATION: "an application can't be loaded",
    ExitCode.INTERNAL: "a fault of gemd itself",
}


@pytest.mark.parametrize(("code", "cause"), CAUSES.items())
def test_the_shell_is_told_how_it_failed(start, code, cause):
    done, _ = start(f"line.tell(ExitCode({int(code)}))")
    assert done.returncode == code
    assert done.stderr == f"gemd: it did not start: {cause}; the error log says more, /var/log/gemd/error.log\n"


def test_a_daemon_that_dies_without_a_word_has_failed(start):
    done, _ = start("os._exit(0)")
    assert done.returncode == ExitCode.INTERNAL
    assert "it did not start" in done.stderr


def test_what_the_waiting_process_is_told_the_daemon_hears(tmp_path):
    """A Ctrl-C, for example, of somebody to whom it takes too long."""
    ready, heard = tmp_path / "ready", tmp_path / "heard"
    program = f"""
import os, select, signal
from gemd.master.launch import launch
from gemd.system.signals import SignalQueue

queue = SignalQueue([signal.SIGINT])
line = launch(queue.descriptors, "/var/log/gemd/error.log")
open({str(ready)!r}, "w")
select.select([queue], [], [], {LONGEST})
open({str(heard)!r}, "w").write(str(queue.take() == [signal.SIGINT]))
line.tell()
"""
    with subprocess.Popen([sys.executable, "-c", program]) as waiting:
        wait_for(ready.exists, "the daemon")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(LONGEST) == 0
    assert heard.read_text() == "True"


def test_a_worker_that_has_the_line_holds_nobody_up(start):
    """It closes its copy, and the master its own by dying."""
    begin = time.monotonic()
    done, _ = start("import time\nif os.fork() == 0:\n    line.close()\n    time.sleep(60)\nos._exit(0)")
    assert done.returncode == ExitCode.INTERNAL
    assert time.monotonic() - begin < LONGEST


def test_it_is_said_once():
    reader, writer = os.pipe()
    line = Launch(writer)
    line.tell()
    line.tell(ExitCode.INTERNAL)
    line.close()
    assert os.read(reader, 10) == b"\0"
    os.close(reader)


def test_a_shell_that_did_not_wait_harms_nobody():
    reader, writer = os.pipe()
    os.close(reader)
    Launch(writer).tell()


def test_in_the_foreground_there_is_no_line():
    line = Launch()
    line.tell()
    line.close()
