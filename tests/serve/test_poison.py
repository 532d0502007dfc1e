"""A URL that crashes whoever answers it, asked again and again: the others are answered, and the log names it. And a
worker that spoils the memory it shares with others: it spoils it for itself."""

import contextlib
import threading
import time

from .applications import serve_app, write  # noqa: F401, some are fixtures
from .conftest import wait_for
from .load import Load
from .succession import tell

POISON = """
import ctypes, faulthandler, sys
from basic import app as basic
faulthandler.disable()  # it would write into the log

def app(environ, send_status):
    path = environ["GEMINI_URL"].partition("localhost")[2]
    if "/crash" in path:
        ctypes.string_at(0)
    if "/scribble" in path:
        scribble(b"\\xff" if "1" in path else b"\\0")
    return basic(environ, send_status)

def scribble(octet):
    frame = sys._current_frames()[__import__("threading").main_thread().ident]
    while "row" not in frame.f_locals:
        frame = frame.f_back
    octets = frame.f_locals["row"]._cells.cast("B")
    for start in range(0, 16 * 4096, 512):
        octets[start : start + 512] = octet * 512
"""
MEANWHILE = 85  # other answers between two crashes: a fraction of a second, so that a worker is young when it dies
MAX_GAP = 2.5  # seconds without a worker that this machine may take, in place of the one that is promised


class Poisoner:
    """Asks for a path again and again, inside a `with` block, each time that `load` has got so many answers."""

    def __init__(self, daemon, path, load):
        self.crashed = 0
        self._daemon, self._path, self._load = daemon, path, load
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _run(self):
        while not self._is_over.is_set():
            enough = self._load.answered + MEANWHILE
            while self._load.answered < enough and not self._is_over.is_set():
                self._is_over.wait(0.01)
            with contextlib.suppress(OSError):
                self._daemon.ask(self._path)
            self.crashed += 1


def test_a_poisonous_url_is_no_outage(serve_app, write):  # noqa: F811
    write("poison.py", POISON)
    daemon = serve_app("poison:app")
    daemon.expect("was killed by SIGSEGV", "workers ended within a minute")
    last_seen = time.monotonic()
    with Load(daemon.port, "/", clients=4) as load, Poisoner(daemon, "/crash?a%20secret", load) as poisoner:
        while poisoner.crashed < 12:
            if daemon.workers:
                last_seen = time.monotonic()
            assert time.monotonic() - last_seen < MAX_GAP, "there was no worker for too long"
            time.sleep(0.01)
    assert load.answered > 19 * len(load.failures), load.failures
    assert 'while it was answering "localhost/crash"' in daemon.errors
    assert daemon.errors.count('workers ended within a minute while they were answering "localhost/crash"') == 1
    assert "secret" not in daemon.errors


def test_a_worker_that_spoils_shared_memory_harms_no_other(serve_app, write, tmp_path):  # noqa: F811
    write("poison.py", POISON)
    daemon = serve_app("poison:app", more=f'control = "{tmp_path}/control.sock"\nmax-requests = 1000\n')
    daemon.expect("was killed by SIGSEGV")
    for octet in (0, 1):
        wait_for(lambda: len(daemon.workers) == 2, "two workers")
        before = set(daemon.workers)
        with contextlib.suppress(OSError):
            daemon.ask(f"/scribble/{octet}")
        wait_for(lambda before=before: before - set(daemon.workers), "the one that scribbles to be gone")
        for _ in range(5):  # each wakes the master, which looks at all rows
            workers = tell(tmp_path / "control.sock", "status")["status"]["workers"]
            states = {worker["state"] for worker in workers if worker["pid"] in daemon.workers}
            assert states <= {"starting", "serving"}
        assert len(before & set(daemon.workers)) == 1
    assert daemon.ask("/").status == 20
