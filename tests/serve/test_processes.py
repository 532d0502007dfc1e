"""Master and workers: who lives, who is replaced, who ends with whom."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.conftest import need_root

from .conftest import (
    AS_ROOT,
    Daemon,
    children_of,
    connections_of,
    is_alive,
    session_members,
    title_of,
    wait_for,
)

ESTABLISHED = "01"
CONFIG = '[[host]]\nname = "localhost"\nroot = "{root}"\n'


def test_titles(serve, capsule):
    daemon = serve()
    pids = (daemon.process.pid, *daemon.workers)
    assert [title_of(pid) for pid in pids] == [f"gemd: master {capsule}", "gemd: worker 1", "gemd: worker 2"]
    assert [Path(f"/proc/{pid}/comm").read_text() for pid in pids] == ["gemd\n"] * 3  # for ps -C and pgrep -x


def test_the_title_says_that_a_worker_does_not_serve_yet(start, tmp_path):
    (tmp_path / "late.py").write_text(
        f"""
import os, time
from pathlib import Path
while "gemd: worker" in Path("/proc/self/cmdline").read_text() and not os.path.exists({str(tmp_path / "go")!r}):
    time.sleep(0.01)
app = lambda environ, send_status: send_status(20, "text/plain") or "late"
""",
    )
    (tmp_path / "gemd.conf").write_text(
        f'listen = ["127.0.0.1:0"]\nworkers = 1\n[[host]]\nname = "localhost"\n'
        f'app = "late:app"\napp-path = "{tmp_path}"\n'
    )
    daemon = start("-c", tmp_path / "gemd.conf")
    titles = lambda: [title_of(pid) for pid in children_of(daemon.process.pid)]  # noqa: E731
    wait_for(lambda: titles() == ["gemd: worker 1 starting"], "it to start")
    (tmp_path / "go").touch()
    daemon.wait_until_ready(1)
    assert titles() == ["gemd: worker 1"]


def test_a_killed_worker_is_replaced_within_a_second(serve):
    daemon = serve()
    daemon.expect("was killed by SIGKILL")
    victim = daemon.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(daemon.workers) == 2 and victim not in daemon.workers, "a new worker", 1.0)
    assert daemon.ask("/").status == 20


def test_a_stopped_worker_is_killed_and_replaced(configure):
    daemon = configure("[timeouts]\nworker = 1.5\n" + CONFIG)
    daemon.expect("no sign of life", "was killed by SIGKILL")
    victim = daemon.workers[0]
    os.kill(victim, signal.SIGSTOP)
    wait_for(lambda: not is_alive(victim), "the stopped worker to be killed", 5)
    wait_for(lambda: len(daemon.workers) == 2, "a new worker")


def test_a_master_that_was_stopped_kills_nobody(configure):
    daemon = configure("[timeouts]\nworker = 2\n" + CONFIG)
    workers = daemon.workers
    members = [daemon.process.pid, *workers]
    for pid in members:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)  # all of them stopped, for longer than the time-out: the very thing that is to be shown
    for pid in members:
        os.kill(pid, signal.SIGCONT)
    for _ in range(20):
        assert daemon.ask("/").status == 20
    assert daemon.workers == workers


def test_workers_leave_with_a_killed_master_and_the_port_is_free(serve, start, capsule):
    daemon = serve()
    daemon.expect("the master is gone")
    daemon.process.kill()
    wait_for(lambda: not session_members(daemon.process.pid), "the workers to be gone")
    again = start("--dir", capsule, "--port", daemon.port).wait_until_ready()
    assert again.ask("/").status == 20


def test_stop_finishes_a_download_and_leaves_nothing(serve, capsule):
    (capsule / "large.bin").write_bytes(bytes(20 << 20))
    daemon = serve()
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/large.bin").encode() + b"\r\n")
        got = len(tls.recv(65536))
        daemon.process.send_signal(signal.SIGTERM)
        while chunk := tls.recv(65536):
            got += len(chunk)
    assert got == len(b"20 application/octet-stream\r\n") + (20 << 20)
    assert daemon.process.wait(5) == 0


def test_stop_does_not_wait_for_a_client_that_never_asks(configure):
    daemon = configure("[timeouts]\nrequest = 60\n" + CONFIG)
    with daemon.tls():
        start = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - start < 4


def test_stop_is_bounded(configure, capsule):
    (capsule / "large.bin").write_bytes(bytes(20 << 20))
    daemon = configure("[timeouts]\nstop = 1\nresponse = 60\n" + CONFIG)
    daemon.expect("which did not stop within")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/large.bin").encode() + b"\r\n")
        tls.recv(1)
        start = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - start < 4


def test_interrupt_and_quit_stop_too(serve):
    assert serve().stop(signal.SIGINT) == 0
    assert serve().stop(signal.SIGQUIT) == 0


def test_a_terminals_interrupt_to_the_whole_group_stops_cleanly(serve):
    daemon = serve()
    os.killpg(daemon.process.pid, signal.SIGINT)
    assert daemon.process.wait(10) == 0


def test_requests_go_on_while_workers_are_killed(serve):
    daemon = serve()
    daemon.expect("was killed by SIGKILL")
    failed, done, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                (done if daemon.ask("/").complete else failed).append(1)
            except OSError:
                failed.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        before = len(done)
        os.kill(daemon.workers[0], signal.SIGKILL)
        wait_for(lambda before=before: len(done) > before + 20 and len(daemon.workers) == 2, "service to go on")
    stop.set()
    for thread in threads:
        thread.join()
    assert len(failed) <= 5 * len(threads)


@need_root
def test_fork_that_fails_does_not_end_the_master(serve, need_program, tmp_path):
    strace = need_program("strace")
    daemon = serve()
    daemon.expect("can't fork", "was killed by SIGKILL")

    tracer = subprocess.Popen(
        [
            strace,
            "-qq",
            "-o",
            "/dev/null",
            "-p",
            str(daemon.process.pid),
            "-e",
            "inject=clone,clone3,fork,vfork:error=EAGAIN:when=1..3",
        ],
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: "TracerPid:\t0" not in Path(f"/proc/{daemon.process.pid}/status").read_text(), "strace")
    os.kill(daemon.workers[0], signal.SIGKILL)
    wait_for(lambda: daemon.errors.count("can't fork") == 3, "three failures")
    wait_for(lambda: len(daemon.workers) == 2, "a worker all the same")
    tracer.terminate()
    tracer.wait()
    assert daemon.ask("/").status == 20


@need_root
def test_accept_that_fails_neither_ends_a_worker_nor_makes_it_hot(configure, need_program):
    strace = need_program("strace")
    daemon = configure("workers = 2\n" + CONFIG)
    daemon.expect("not accepting for")

    tracers = [
        subprocess.Popen(
            [strace, "-qq", "-o", "/dev/null", "-p", str(pid), "-e", f"inject=accept4:error={error}:when=1..5"],
            stderr=subprocess.DEVNULL,
        )
        for pid, error in zip(daemon.workers, ["EMFILE", "ECONNABORTED"], strict=True)
    ]
    for pid in daemon.workers:
        wait_for(lambda pid=pid: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text(), "strace")
    workers = daemon.workers
    for _ in range(10):
        assert daemon.ask("/").status == 20
    for tracer in tracers:
        tracer.terminate()
        tracer.wait()
    assert daemon.workers == workers


def test_a_second_daemon_on_the_same_port_says_so(serve, capsule):
    daemon = serve()

    other = subprocess.run(
        [sys.executable, "-m", "gemd", "--dir", capsule, "--port", str(daemon.port), *AS_ROOT],
        capture_output=True,
        text=True,
    )
    assert other.returncode == 4
    assert "another program listens there" in other.stderr


def test_a_listener_that_is_half_taken_is_not_served_at_all(start, capsule, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start("--dir", capsule, "--host", "127.0.0.1", "--port", port)
        assert daemon.process.wait(10) == 4


def test_signals_to_the_whole_group_end_nobody(serve):
    daemon = serve()
    for number, word in ((signal.SIGUSR1, "open anew"), (signal.SIGTTIN, "3 workers"), (signal.SIGHUP, "reloaded")):
        os.killpg(daemon.process.pid, number)
        wait_for(lambda word=word: word in daemon.errors, word)
        assert daemon.ask("/").status == 20
    wait_for(lambda: len(daemon.workers) == 2, "two workers, as configured")


def test_who_comes_during_a_stop_is_refused_at_once(serve, capsule):
    script = capsule / "cgi-bin" / "slow"
    script.write_text("#!/bin/sh\necho 20 text/plain\nsleep 1\n")
    script.chmod(0o755)
    daemon = serve()
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/slow").encode() + b"\r\n")
        tls.recv(20)
        daemon.process.send_signal(signal.SIGTERM)

        def refused():
            try:
                daemon.connect(1).close()
            except ConnectionRefusedError:
                return True
            return False

        wait_for(refused, "the listeners to be closed")
        assert tls.recv(20) == b""
    assert daemon.process.wait(5) == 0


def test_a_worker_that_drains_alone_neither_spins_nor_accepts(serve, capsule):
    script = capsule / "cgi-bin" / "slow"
    script.write_text("#!/bin/sh\necho 20 text/plain\nsleep 4\necho $PPID\n")
    script.chmod(0o755)
    daemon = serve()
    daemon.expect("ended with exit code 0")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/slow").encode() + b"\r\n")
        tls.recv(20)
        worker = next(pid for pid in daemon.workers if children_of(pid))
        other = next(pid for pid in daemon.workers if pid != worker)
        os.kill(worker, signal.SIGQUIT)
        os.kill(other, signal.SIGSTOP)  # so that a new connection stays in the backlog
        with connect_unaccepted(daemon) as sock:
            before = cpu_ticks(worker)
            time.sleep(0.7)  # the time in which it would spin
            spent = cpu_ticks(worker) - before
            assert not is_accepted(sock)
        os.kill(other, signal.SIGCONT)
        assert spent < 30
        assert daemon.ask("/").status == 20
        assert tls.recv(20).strip() == str(worker).encode()
        assert tls.recv(20) == b""


def is_accepted(sock: socket.socket) -> bool:
    """Whether a process has taken the other end of an established connection."""
    return (sock.getsockname()[1], "0") not in connections_of(sock.getpeername()[1], ESTABLISHED)


def connect_unaccepted(daemon: Daemon) -> socket.socket:
    """A connection that nobody accepts for half a second; one that is accepted before gives way to the next."""

    def connect() -> socket.socket | None:
        sock = daemon.connect()
        sock.sendall(b"\x16")
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            if is_accepted(sock):
                sock.close()
                return None
            time.sleep(0.01)
        return sock

    return wait_for(connect, "a connection that stays in the backlog")


def cpu_ticks(pid: int) -> int:
    """Hundredths of a second; a process that is gone uses none."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    except OSError:
        return 0
