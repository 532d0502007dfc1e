"""What gemd does when clients don't go on, and when workers die.

Rules: each prints what it counted and asserts nothing; it lets go of all that it opened.
"""

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import measure
import prepare
from measure import ADDRESS, Running
from prepare import Site

# slow
SLOW_CLIENTS = 2000
_REQUEST_TIMEOUT = 10.0  # seconds from accept; gemd's own default, and time enough to measure before it passes
_LOAD_SECONDS = 4.0
_GRACE = 2.0

# kill
_KILL_SECONDS = 30.0
_KILL_EVERY = 1.0
_KILL_CLIENTS = 16


def run_slow(gemload: Path, site: Site, workers: int) -> None:
    """2,000 connections send one byte and no more; a normal client comes before, meanwhile and after."""
    measure.raise_descriptor_limit(SLOW_CLIENTS + 200)
    # All of them may end up in one worker, and none shall leave for want of room.
    settings = f"[timeouts]\nrequest = {_REQUEST_TIMEOUT:.0f}\n[limits]\nconnections = {2 * SLOW_CLIENTS}"
    server = prepare.prepare_gemd(site, workers, name="gemd-slow", settings=settings)
    with measure.run(server) as running:
        print(f"\n{'':<34}{'p50 ms':>8}{'p99 ms':>8}{'req/s':>8}{'not ok':>8}{'PSS MiB':>9}{'sockets':>9}")
        _show_client(gemload, server.port, running, "one client, nobody else")
        before = measure.count_sockets(running.pid)
        began = time.monotonic()
        with _slow_clients(server.port, SLOW_CLIENTS) as slow:
            _show_client(gemload, server.port, running, f"one client, {len(slow)} slow ones")
            left_early = len(slow) - _count_open(slow)
            print(f"slow clients closed {time.monotonic() - began:.1f} s after the first came: {left_early}")
            time.sleep(max(0.0, began + _REQUEST_TIMEOUT + _GRACE - time.monotonic()))
            print(f"slow clients open {time.monotonic() - began:.1f} s after the first came: {_count_open(slow)}")
            print(f"sockets of gemd: {before} before, {measure.count_sockets(running.pid)} after")
        _show_client(gemload, server.port, running, "one client afterwards")


def _show_client(gemload: Path, port: int, running: Running, title: str) -> None:
    """What one client after another meets for some seconds."""
    found = measure.load(gemload, port, "/page.gmi", connections=1, seconds=_LOAD_SECONDS)
    memory, sockets = measure.memory(running.pid), measure.count_sockets(running.pid)
    faults = found["requests"] - found["ok"]
    print(
        f"{title:<34}{found['p50_ms']:>8.2f}{found['p99_ms']:>8.2f}{found['rps']:>8.0f}{faults:>8.0f}"
        f"{memory.pss:>9.1f}{sockets:>9}"
    )


@contextlib.contextmanager
def _slow_clients(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have sent the first byte of a TLS record."""
    with contextlib.ExitStack() as stack:
        clients: list[socket.socket] = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((ADDRESS, port), timeout=5))
            client.sendall(b"\x16")
            client.setblocking(False)
            clients.append(client)
        yield clients


def _count_open(clients: list[socket.socket]) -> int:
    """How many the server has neither closed nor reset."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN | select.POLLRDHUP)
    return len(clients) - len(poll.poll(0))


def run_kill(gemload: Path, site: Site, workers: int) -> None:
    """16 clients ask for half a minute, while the oldest worker is killed each second."""
    server = prepare.prepare_gemd(site, workers, name="gemd-kill")
    with measure.run(server) as running:
        # What the clients lose without any kill, so that the two can be told apart.
        calm = measure.load(gemload, server.port, "/page.gmi", connections=_KILL_CLIENTS, seconds=_KILL_EVERY * 3)
        killed: list[int] = []
        over = threading.Event()
        killer = threading.Thread(target=_kill_workers, args=(running.pid, killed, over))
        killer.start()
        try:
            found = measure.load(gemload, server.port, "/page.gmi", connections=_KILL_CLIENTS, seconds=_KILL_SECONDS)
        finally:
            over.set()
            killer.join()
        time.sleep(_KILL_EVERY)
        after = measure.load(gemload, server.port, "/page.gmi", connections=_KILL_CLIENTS, requests=1000)
        alive = len(measure.children(running.pid))
    faults = found["requests"] - found["ok"]
    print(f"\nwithout kills: {calm['requests']:.0f} requests, {calm['requests'] - calm['ok']:.0f} not ok")
    print(
        f"with {len(killed)} kills in {found['seconds']:.1f} s: {found['requests']:.0f} requests, {faults:.0f} not ok"
        f" ({measure.describe_faults(found) or 'none'}), p99 {found['p99_ms']:.1f} ms, longest {found['max_ms']:.0f} ms"
    )
    print(f"not ok per kill: {faults / max(1, len(killed)):.2f}")
    print(f"afterwards: {after['requests'] - after['ok']:.0f} of 1000 not ok, {alive} of {workers} workers alive")


def _kill_workers(master: int, killed: list[int], over: threading.Event) -> None:
    """Runs in a thread of its own. Only children of the master that this program started are killed."""
    while not over.wait(_KILL_EVERY):
        workers = measure.children(master)
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
