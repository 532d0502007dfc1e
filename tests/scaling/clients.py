"""Clients of a front that keep asking, each request from another address, and remember what came of it."""

import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.serve.conftest import Answer, read_answer
from tests.support.tls_client import make_context
from tests.support.waiting import LONGEST, wait_for

from .places import Place


@dataclass
class Failure:
    """A request that was not answered: when it began (monotonic), and why."""

    began: float
    reason: str


def ask(
    place: Place, path: str = "/", *, host: str = "example.org", client: int = 0, certificate: Path | None = None
) -> tuple[Answer, bytes]:
    """An answer, and the certificate that was shown; `certificate` is the client's own, with its key. Only in a thread
    that is among the clients."""
    context = make_context()
    if certificate is not None:
        context.load_cert_chain(certificate)
    with (
        place.connect(client) as sock,
        context.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False) as tls,
    ):
        tls.sendall(f"gemini://{host}:{place.port}{path}\r\n".encode())
        shown = tls.getpeercert(binary_form=True)
        return read_answer(tls), shown


class Clients:
    """Threads that ask for the first page, inside a `with` block. `certificates` are those that they were shown."""

    def __init__(self, place: Place, clients: int = 6):
        self.bodies: Counter[bytes] = Counter()
        self.certificates: set[bytes] = set()
        self.failures: list[Failure] = []
        self._place = place
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(nr * 30,)) for nr in range(clients)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        with self._lock:
            return self.bodies.total()

    def wait_for_more(self, requests: int) -> None:
        """Go on until so many more are answered."""
        enough = self.answered + requests
        wait_for(lambda: self.answered >= enough, f"{requests} more answers", 2 * LONGEST)

    def _run(self, first: int) -> None:
        self._place.enter()
        for client in count(first):
            if self._is_over.is_set():
                return
            began = time.monotonic()
            try:
                answer, certificate = ask(self._place, client=client)
                reason = "" if answer.complete and answer.raw.startswith(b"20 ") else repr(answer)
            except (OSError, ssl.SSLError) as error:
                reason = repr(error)
            with self._lock:
                if reason:
                    self.failures.append(Failure(began, reason))
                else:
                    self.bodies[answer.body] += 1
                    self.certificates.add(certificate)
