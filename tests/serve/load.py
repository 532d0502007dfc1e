"""Clients that keep asking, and remember what came of it."""

import hashlib
import socket
import threading
import time
from collections import Counter
from itertools import count

from tests.support.tls_client import make_context

from .conftest import Answer, read_answer, wait_for

ANSWER_TIMEOUT = 60.0  # seconds for one answer, on a machine that has other things to do


class Load:
    """Threads that ask for `paths` in turn, each request over a connection of its own, inside a `with` block.

    `answers` counts each whole answer that came, header and body; `failures` says what became of every other request.
    """

    def __init__(self, port: int, *paths: str, clients: int = 8, pause: float = 0.0):
        self.answers: Counter[bytes] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._paths = paths
        self._pause = pause
        self._context = make_context()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(nr,)) for nr in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """How many whole answers have come."""
        with self._lock:
            return self.answers.total()

    def wait_for_more(self, requests: int) -> None:
        """Go on until so many more are answered."""
        enough = self.answered + requests
        wait_for(lambda: self.answered >= enough or self.failures, f"{requests} more answers", ANSWER_TIMEOUT)

    def _run(self, nr: int) -> None:
        for turn in count(nr):
            if self._is_over.is_set():
                return
            self._ask(self._paths[turn % len(self._paths)])
            self._is_over.wait(self._pause)

    def _ask(self, path: str) -> None:
        began = time.monotonic()
        try:
            answer = self._fetch(path)
        except OSError as error:
            reason = repr(error)
        else:
            reason = "" if answer.complete and answer.raw.startswith(b"20 ") else f"{answer.header!r}, then cut off"
        with self._lock:
            if reason:
                self.failures.append(f"{path} after {time.monotonic() - began:.1f} s: {reason}")
            else:
                self.answers[answer.raw] += 1

    def _fetch(self, path: str) -> Answer:
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_TIMEOUT) as sock,
            self._context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
        ):
            tls.sendall(f"gemini://localhost:{self._port}{path}\r\n".encode())
            return read_answer(tls)


class SlowDownload:
    """A download at 2 Mbit/s over a connection that buffers little, until `finish` takes the rest."""

    def __init__(self, port: int, path: str):
        self.received = 0
        self._hash = hashlib.sha256()
        self._header = b""
        self._is_urgent = threading.Event()
        self._is_whole = False
        sock = socket.socket()
        sock.settimeout(ANSWER_TIMEOUT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        sock.connect(("127.0.0.1", port))
        self._tls = make_context().wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
        self._tls.sendall(f"gemini://localhost:{port}{path}\r\n".encode())
        while not self._header.endswith(b"\r\n"):
            self._header += self._tls.recv(1)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        wait_for(lambda: self.received > 0, "the download to begin")

    def _read(self) -> None:
        with self._tls:
            try:
                while chunk := self._tls.recv(16 * 1024):
                    self._hash.update(chunk)
                    self.received += len(chunk)
                    self._is_urgent.wait(len(chunk) / 250_000)
                self._is_whole = True
            except OSError:
                self._is_whole = False

    def finish(self) -> str | None:
        """Take what is left as fast as it comes; the SHA-256 of all, or None if it ended without close_notify."""
        self._is_urgent.set()
        self._thread.join()
        return self._hash.hexdigest() if self._is_whole else None
