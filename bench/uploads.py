"""What uploads cost, small and large, and what a thousand that are half sent do to a page.

    bench/uploads.py            # five rounds: a minute

One gemd with one worker. Large uploads come one after the other as fast as the client sends; half-sent ones stay, and
send a byte a second each.
"""

import argparse
import contextlib
import os
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import measure
import prepare
from measure import ADDRESS, HOST, Running, Server

_SIZES = {"1 KB": (1000, 50), "16 KB": (16_000, 50), "1 MiB": (1 << 20, 10), "10 MiB": (10 << 20, 4)}  # how often each
_PAGES = 200
_DESCRIPTORS = 4096
_SETTINGS = "[timeouts]\nresponse = 300.0\n[limits]\nconnections = 2000\n"
_HOST = '[[host.location]]\npath = "/uploads/"\ntitan = { public = true, types = ["*/*"], max-size = 20000000 }\n'


def connect(port: int) -> ssl.SSLSocket:
    """A client that trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock = socket.create_connection((ADDRESS, port), 30.0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname=HOST)


def begin(port: int, name: str, size: int, first: bytes) -> ssl.SSLSocket:
    """A client that has announced so much, and sent this much of it."""
    client = connect(port)
    line = f"titan://{HOST}:{port}/uploads/{name};size={size};mime=application/octet-stream\r\n"
    client.sendall(line.encode() + first)
    return client


def upload(port: int, name: str, body: bytes) -> None:
    """All of one. Raises MeasureError where it is not taken."""
    with begin(port, name, len(body), body) as client:
        answer = client.recv(1100)
    if not answer.startswith(b"30 "):
        raise measure.MeasureError(f"an upload was answered with {answer!r}")


class Bench:
    """The server that runs, and what was found."""

    def __init__(self, server: Server, running: Running) -> None:
        self._server = server
        self._pid = running.pid
        self._found: dict[str, list[float]] = {}

    def _note(self, name: str, value: float) -> None:
        self._found.setdefault(name, []).append(value)

    def measure_uploads(self) -> None:
        """Whole ones, of each size."""
        for title, (size, number) in _SIZES.items():
            body = os.urandom(size)
            before, began = measure.cpu_nanoseconds(self._pid), time.monotonic()
            for _ in range(number):
                upload(self._server.port, "whole.bin", body)
            seconds = time.monotonic() - began
            spent = measure.cpu_nanoseconds(self._pid) - before
            self._note(f"{title}: CPU us each", spent / number / 1000)
            self._note(f"{title}: ms each", seconds / number * 1000)
            if size >= 1 << 20:
                self._note(f"{title}: MiB/s", size * number / seconds / (1 << 20))

    def measure_pages(self, title: str) -> None:
        """How soon pages are answered, one after the other."""
        times = []
        for _ in range(_PAGES):
            began = time.monotonic()
            measure.ask(self._server.port, "/page.gmi")
            times.append((time.monotonic() - began) * 1000)
        times.sort()
        self._note(f"page, {title}: median ms", statistics.median(times))
        self._note(f"page, {title}: p99 ms", times[_PAGES * 99 // 100])

    def measure_half_sent(self, number: int) -> None:
        """Pages, while so many uploads get on by a byte a second, and what these cost and hold."""
        empty = measure.memory(self._pid).uss
        is_over = threading.Event()
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(begin(self._server.port, f"half{nr}.bin", 1 << 16, b"x")) for nr in range(number)
            ]

            def drip() -> None:
                while not is_over.is_set():
                    for client in clients:
                        client.sendall(b"x")
                        if is_over.wait(1.0 / number):
                            return

            thread = threading.Thread(target=drip)
            thread.start()
            stack.callback(thread.join)
            stack.callback(is_over.set)
            before, began = measure.cpu_nanoseconds(self._pid), time.monotonic()
            time.sleep(3.0)
            spent = (measure.cpu_nanoseconds(self._pid) - before) / (time.monotonic() - began) / 1e9
            title = f"{number} half sent"
            self._note(f"{title}: CPU %", spent * 100)
            self._note(f"{title}: KiB each", (measure.memory(self._pid).uss - empty) * 1024 / number)
            self.measure_pages(title)

    def show(self) -> None:
        """Medians, with the least and the most."""
        for name, values in self._found.items():
            print(f"{name:<35} {statistics.median(values):>9.1f}   ({min(values):.1f} to {max(values):.1f})")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", type=int, default=5, help="rounds (5)")
    parser.add_argument("-n", type=int, default=1000, help="uploads that are half sent (1000)")
    options = parser.parse_args()
    measure.raise_descriptor_limit(_DESCRIPTORS)
    with tempfile.TemporaryDirectory(prefix="gemd-bench-") as name:
        site = prepare.make_site(Path(name))
        (site.root / "uploads").mkdir()
        server = prepare.prepare_gemd(site, 1, settings=_SETTINGS, host=_HOST)
        with measure.run(server) as running:
            bench = Bench(server, running)
            for _ in range(options.k):
                bench.measure_uploads()
                bench.measure_pages("calm")
                bench.measure_half_sent(options.n)
            bench.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
