"""How much more than its budget a client gets where many workers count it at once, without a lock.

    bench/budgets.py            # on the bare cells, with nothing else to do: the worst that can be; then by a daemon
    bench/budgets.py --only cells -w 2 -w 8

What was let through, less what may be: the burst, and what came back while it lasted.
"""

import argparse
import multiprocessing
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gemd.config.types import Budget
from gemd.shared.cells import Cells
from gemd.shared.rate_limit import RateLimit
from gemd.system.shared_memory import SharedMemory

_SECONDS = 4.0
_BUDGETS = (
    Budget("few", 100, 1.0, 100),
    Budget("many", 2000, 1.0, 2000),
    Budget("all at once", 200_000, 86400.0, 200_000),
)


def _in_processes(number: int, work: Callable[[int], int]) -> int:
    """What all of so many processes have got together; `work` takes the number of each."""
    counts = SharedMemory(4096).octets.cast("Q")
    context = multiprocessing.get_context("fork")

    def run(nr: int) -> None:
        counts[nr] = work(nr)

    processes = [context.Process(target=run, args=(nr,)) for nr in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(counts[:number])


def measure_cells(workers: int, budget: Budget, clients: int) -> tuple[int, float]:
    """How many were let through, and how many may be."""
    limit = RateLimit(Cells(), budget)
    names = [f"192.0.2.{nr}" for nr in range(clients)]
    begin = time.monotonic() + 0.3
    end = begin + _SECONDS

    def work(nr: int) -> int:
        passed = 0
        while time.monotonic() < begin:
            time.sleep(0.001)
        while time.monotonic() < end:
            for name in names:
                passed += limit.admits(name)
        return passed

    passed = _in_processes(workers, work)
    return passed, clients * (budget.burst + (time.monotonic() - begin) * budget.count / budget.seconds)


def measure_daemon(workers: int, clients: int, rate: str) -> tuple[int, float, int]:
    """The same of a daemon with so many workers, and how many were asked for in all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "index.gmi").write_text("# page\n")
        conf = folder / "gemd.conf"
        user = 'user = "root"\n' if os.geteuid() == 0 else ""
        host = f'[[host]]\nname = "localhost"\nroot = "{folder}"\nrate = "{rate}"\n'
        conf.write_text(f'{user}workers = {workers}\nlisten = ["127.0.0.1:0"]\n[log]\naccess = "off"\n{host}')
        env = {**os.environ, "XDG_DATA_HOME": name, "STATE_DIRECTORY": name}
        with (folder / "errors").open("wb") as errors:
            daemon = subprocess.Popen([sys.executable, "-m", "gemd", "-c", conf], env=env, stderr=errors)
        try:
            port = _await_port(folder / "errors")
            time.sleep(1.0)  # until all workers serve
            return _ask(port, workers, clients, rate)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


def _await_port(errors: Path) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = re.search(r"listening on .*127\.0\.0\.1:(\d+)", errors.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise TimeoutError(errors.read_text())


def _ask(port: int, processes: int, clients: int, rate: str) -> tuple[int, float, int]:
    count, seconds = map(int, re.fullmatch(r"(\d+)/(\d+)s", rate).groups())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked = SharedMemory(4096).octets.cast("Q")
    begin = time.monotonic()
    end = begin + 3 * _SECONDS

    def work(nr: int) -> int:
        passed = 0
        while time.monotonic() < end:
            source = f"127.0.1.{1 + asked[nr] % clients}"
            sock = socket.create_connection(("127.0.0.1", port), 30, (source, 0))
            with sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
                tls.sendall(b"gemini://localhost:%d/\r\n" % port)
                passed += tls.recv(100).startswith(b"20")
            asked[nr] += 1
        return passed

    passed = _in_processes(processes, work)
    return passed, clients * (count + (time.monotonic() - begin) * count / seconds), sum(asked[:processes])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=["cells", "daemon"])
    parser.add_argument("-w", "--workers", type=int, action="append")
    options = parser.parse_args()
    workers = options.workers or [1, 2, 8]
    print(f"{'workers':>7} {'clients':>7} {'budget':<28} {'passed':>9} {'may':>11} {'over':>8}")
    if options.only != "daemon":
        for number in workers:
            for clients in (1, 50):
                for budget in _BUDGETS if clients == 1 else _BUDGETS[:-1]:
                    passed, may = measure_cells(number, budget, clients)
                    shown = f"{budget.count}/{budget.seconds:g}s on the cells"
                    print(f"{number:>7} {clients:>7} {shown:<28} {passed:>9} {may:>11.0f} {passed / may - 1:>8.2%}")
    if options.only != "cells":
        for clients, rate in ((1, "100/5s"), (20, "10/5s")):
            number = max(workers)
            passed, may, asked = measure_daemon(number, clients, rate)
            shown = f"{rate} of {asked} asked for"
            print(f"{number:>7} {clients:>7} {shown:<28} {passed:>9} {may:>11.0f} {passed / may - 1:>8.2%}")


if __name__ == "__main__":
    main()
