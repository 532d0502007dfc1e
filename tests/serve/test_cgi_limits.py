"""Scripts that take too long or too much, or whose client or worker is gone: nothing of them stays."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from .conftest import is_alive, wait_for
from .scripts import CONFIG, PYTHON, script, shared, shared_script  # noqa: F401, some are fixtures


def test_a_script_has_a_time_for_its_header_and_one_for_all(configure, script):
    script("mute", "sleep 60\n")
    script("long", "echo 20 text/plain; echo begun; sleep 60\n")
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 1").replace("cgi-header = 1.5", "cgi-header = 0.5"))
    daemon.expect("script /cgi-bin/mute", "broke off")
    answer = daemon.ask("/cgi-bin/mute")
    assert (answer.header, answer.complete) == ("42 The script failed", True)
    assert "wrote no header within 0.5 s" in daemon.errors
    answer = daemon.ask("/cgi-bin/long")
    assert (answer.header, answer.text, answer.complete) == ("20 text/plain", "begun\n", False)
    assert answer.seconds < 3
    assert "did not end within 1 s" in daemon.errors


GRANDCHILD = (
    PYTHON
    + """\
import os, sys, time
print("20 text/plain", flush=True)
if os.fork() == 0:
    {leave}
    with open({path!r}, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)
    os._exit(0)
while not os.path.exists({path!r}) or not open({path!r}).read():
    time.sleep(0.01)
print("done")
"""
)


@pytest.mark.parametrize("leave", ["pass", "os.setsid()", "os.setsid(); os.fork() and os._exit(0)"])
def test_a_grandchild_neither_delays_the_answer_nor_survives(shared, shared_script, tmp_path, leave):
    path = shared.folder / "capsule" / tmp_path.name
    shared_script("fork", GRANDCHILD.format(leave=leave, path=str(path)))
    answer = shared.ask("/cgi-bin/fork")
    assert (answer.text, answer.complete) == ("done\n", True)
    assert answer.seconds < 1.5
    wait_for(lambda: not is_alive(int(path.read_text())), "the grandchild to be gone")
    said = "went on after its answer" if leave == "pass" else "had left a script's session"
    shared.expect(said)
    wait_for(lambda: said in shared.errors, "a line that says so")


def test_a_client_that_leaves_ends_its_script(configure, script, capsule):
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 50").replace("cgi-header = 1.5", "cgi-header = 50"))
    path = capsule / "pid"
    for text in ("sleep 60", "echo 20 text/plain; sleep 60", "trap '' TERM; sleep 60; sleep 60"):
        path.unlink(missing_ok=True)
        script("waits", f"echo $$ > {path}; {text}\n")
        with daemon.tls() as tls:
            tls.sendall(daemon.url("/cgi-bin/waits").encode() + b"\r\n")
            pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), text))
            # A reset. A FIN alone may be half a close, of a client that still reads.
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_for(lambda pid=pid: not is_alive(pid), f"the end of: {text}")


TROUBLE = {
    "fork bomb": "#!/bin/sh\nf() { for i in 1 2 3; do sleep 30 & done; }\necho 20 text/plain\nf; f; f\n",
    "endless loop": PYTHON + "while True: pass\n",
    "allocation": PYTHON + "x = bytearray(2 << 30)\nprint('20 text/plain')\n",
    "closed stdout": PYTHON + "import os, time\nprint('20 text/plain', flush=True)\nos.close(1)\ntime.sleep(60)\n",
}


def test_trouble_leaves_the_worker_as_it_was(configure, script):
    daemon = configure(CONFIG + "[cgi]\nmemory = 536870912\ncpu-seconds = 1\n")
    daemon.expect("script /cgi-bin/trouble")
    workers = daemon.workers
    for name, text in TROUBLE.items():
        script("trouble", text)
        answer = daemon.ask("/cgi-bin/trouble")
        assert answer.seconds < 5, name
        assert daemon.ask("/").status == 20, name
        assert daemon.workers == workers, name


def test_limits_reach_the_script(configure, script):
    script("limits", "echo 20 text/plain; ulimit -t; ulimit -v; ulimit -f; nice\n")
    daemon = configure(CONFIG + "[cgi]\ncpu-seconds = 7\nmemory = 1073741824\nfile-size = 1048576\nnice = 5\n")
    for _ in range(10):  # the script must not have begun before they hold
        assert daemon.ask("/cgi-bin/limits").text.split() == ["7", "1048576", "2048", "5"]


def test_slow_scripts_delay_nobody_and_more_than_the_limit_are_told_so(configure, script):
    script("sleep", "sleep 1.2; echo 20 text/plain\n")
    daemon = configure(CONFIG.replace("cgi = 8", "cgi = 2"))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.ask("/cgi-bin/sleep"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        assert daemon.ask("/").seconds < 0.5
    for thread in threads:
        thread.join()
    statuses = [answer.status for answer in answers]
    assert 2 <= statuses.count(20) <= 4
    assert statuses.count(41) == 10 - statuses.count(20)


def test_one_address_may_not_run_them_all(configure, script):
    script("sleep", "sleep 1; echo 20 text/plain\n")
    daemon = configure(CONFIG.replace("cgi-per-address = 8", "cgi-per-address = 1"))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.ask("/cgi-bin/sleep"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= [answer.status for answer in answers].count(20) <= 2


def test_a_daemon_that_stops_lets_a_script_finish(configure, script):
    script("slow", "echo 20 text/plain; sleep 0.7; echo done\n")
    daemon = configure(CONFIG)
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/slow").encode() + b"\r\n")
        tls.recv(100)
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0)
        assert tls.recv(100) == b"done\n"
        assert tls.recv(100) == b""
    assert daemon.process.wait(5) == 0


@pytest.fixture
def sleeper(script, capsule):
    """Write the script `sleep`. Waits until it has been started, and gives its process."""
    path = capsule / "pid"
    script("sleep", f"echo $$ > {path}; exec sleep 60\n")
    return lambda: int(wait_for(lambda: path.exists() and path.read_text().strip(), "the script"))


def test_no_script_survives_a_worker_that_is_killed(configure, sleeper):
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 50").replace("cgi-header = 1.5", "cgi-header = 50"))
    daemon.expect("was killed by SIGKILL")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/sleep").encode() + b"\r\n")
        pid = sleeper()
        worker = int(Path(f"/proc/{pid}/stat").read_text().split()[3])
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), "the script to be gone")


def test_no_script_survives_the_daemon(configure, sleeper):
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 50\nstop = 1").replace("cgi-header = 1.5", "cgi-header = 50"))
    daemon.expect("which did not stop within")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/sleep").encode() + b"\r\n")
        pid = sleeper()
        assert daemon.stop() == 0
        assert not is_alive(pid)


def test_a_limit_above_what_the_system_allows_is_what_it_allows(configure, script):
    script("limits", "echo 20 text/plain; ulimit -t\n")
    daemon = configure(CONFIG + "[cgi]\ncpu-seconds = 50\n")
    for pid in daemon.workers:
        subprocess.run(["prlimit", "--pid", str(pid), "--cpu=40:40"], check=True)
    assert daemon.ask("/cgi-bin/limits").text == "40\n"


def test_a_limit_that_cannot_be_is_a_clear_failure_and_costs_no_place(configure, script):
    script("any", "sleep 9\n")
    daemon = configure(CONFIG + "[cgi]\nmemory = 9223372036854775808\n")
    daemon.expect("can't be limited and watched")
    for _ in range(20):
        assert daemon.ask("/cgi-bin/any").status == 42
