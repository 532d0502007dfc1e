"""The pid file, as others see it."""

import signal
import stat
import threading

import pytest

from .conftest import session_members, wait_for
from .services import USER
from .succession import HOST, SERVICE, tell, write_script


@pytest.mark.parametrize("count", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_the_pid_file_is_never_absent_while_it_reloads(configure, tmp_path, count):
    daemon = configure(SERVICE + HOST)
    path = tmp_path / "gemd.pid"
    wait_for(path.exists, "the pid file")
    seen, is_over = set(), threading.Event()

    def watch():
        while not is_over.is_set():
            try:
                seen.add(path.read_text())
            except OSError as error:
                seen.add(repr(error))

    thread = threading.Thread(target=watch)
    thread.start()
    for nr in range(1, count + 1):
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda nr=nr: daemon.errors.count("reloaded: ") == nr, "the reload")
    is_over.set()
    thread.join()
    assert seen == {f"{daemon.process.pid}\n"}
    assert daemon.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "no number\n", "1\n"])
def test_what_another_left_in_the_pid_file_is_not_believed(configure, tmp_path, content):
    (tmp_path / "gemd.pid").write_text(content)
    daemon = configure(SERVICE + HOST)
    wait_for(lambda: (tmp_path / "gemd.pid").read_text() == f"{daemon.process.pid}\n", "the pid file")
    assert stat.S_IMODE((tmp_path / "gemd.pid").stat().st_mode) == 0o644


def test_after_a_killed_master_the_next_start_serves_at_once(configure, tmp_path, capsule):
    """Although a script of the old one still runs, and its pid file and control socket lie about."""
    write_script(capsule, "endless", "printf '20 text/plain\\r\\n'\nexec sleep 600\n")
    daemon = configure(SERVICE + "[timeouts]\nrequest = 3\n" + HOST)  # its workers leave within that
    daemon.expect("the master is gone", "broke off")
    wait_for((tmp_path / "gemd.pid").exists, "the pid file")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/endless").encode() + b"\r\n")
        assert tls.recv(2) == b"20"
        daemon.process.kill()
        daemon.process.wait()
        again = configure(SERVICE + f'listen = ["127.0.0.1:{daemon.port}"]\n{USER}' + HOST)
        assert again.ask("/").status == 20
        wait_for(lambda: (tmp_path / "gemd.pid").read_text() == f"{again.process.pid}\n", "its own pid in the file")
        assert tell(tmp_path / "control.sock", "status")["status"]["pid"] == again.process.pid
        assert again.stop() == 0
    wait_for(lambda: not session_members(daemon.process.pid), "what the first one left to be gone", 30)


# systemd
