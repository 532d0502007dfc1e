"""What a resumed session costs beside a full handshake, on the server's side.

    bench/tickets.py            # handshakes in memory, then requests of one worker: three minutes
    bench/tickets.py --only memory -k 9

In memory it is the CPU time of the server's half, from the first record to the end of the handshake. Requests are of
two gemd that run at once, one without tickets; each round has a burst of every kind in random order. It prints what it
counted and asserts nothing.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import measure
from measure import HOST, Server
from programs import BUILD, compile_with_current_openssl
from tables import print_table

from gemd.system.openssl import WITH_TICKETS, load_openssl


@contextmanager
def serve(folder: Path, name: str, tls: str, cpu: int | None) -> Iterator[tuple[Server, int]]:
    """One worker for four hosts; the server, and its master's pid."""
    root, port = folder / "root", measure.free_port()
    root.mkdir(exist_ok=True)
    (root / "page.gmi").write_text("# A page\n" + "x" * 1015)
    user = 'user = "root"\n' if os.geteuid() == 0 else ""
    hosts = "".join(
        f'[[host]]\nname = "{host}"\nroot = "{root}"\n' for host in (HOST, "a.example", "b.example", "c.example")
    )
    path = folder / f"{name}.conf"
    text = f'{user}workers = 1\nlisten = ["127.0.0.1:{port}"]\n[log]\naccess = "off"\n'
    path.write_text(f'{text}[tls]\ncertificates = "{folder}/certificates"\n{tls}{hosts}')
    command = measure.pin([sys.executable, "-m", "gemd", "-c", str(path)], cpu)
    server = Server(name, command, port, folder / f"{name}.log")
    with measure.run(server) as running:
        yield server, running.pid


def measure_requests(
    folder: Path, shown: Sequence[str], rounds: int, requests: int, is_pinned: bool
) -> list[list[str]]:
    """Lines of the table; `shown` has gemload show a client certificate."""
    BUILD.mkdir(exist_ok=True)
    gemload = compile_with_current_openssl("gemload")
    cpus = sorted(os.sched_getaffinity(0))
    server_cpu, load_cpu = (cpus[0], cpus[1]) if is_pinned else (None, None)
    spent: dict[tuple[str, str], list[float]] = {}
    resumed: dict[tuple[str, str], int] = {}
    with (
        serve(folder, "off", "", server_cpu) as off,
        serve(folder, "on", "session-tickets = true\n", server_cpu) as on,
    ):
        kinds = {"without tickets": (off, ()), "full": (on, ()), "resumed": (on, ("-r",))}
        cases = {
            "TLS 1.3": (),
            "TLS 1.2": ("-2",),
            "TLS 1.3, certificate": shown,
            "TLS 1.2, certificate": ("-2", *shown),
        }
        bursts = [(case, kind) for case in cases for kind in kinds]
        for number in range(rounds + 1):
            random.shuffle(bursts)
            for case, kind in bursts:
                (server, pid), flags = kinds[kind]
                before = measure.cpu_nanoseconds(pid)
                counted = measure.load(
                    gemload,
                    server.port,
                    "/page.gmi",
                    *cases[case],
                    *flags,
                    requests=requests,
                    cpu=load_cpu,
                    groups="X25519:P-256",
                )
                time.sleep(0.05)
                if counted["ok"] != requests:
                    raise measure.MeasureError(measure.describe_faults(counted))
                if number:
                    used = (measure.cpu_nanoseconds(pid) - before) / requests / 1000
                    spent.setdefault((case, kind), []).append(used)
                    resumed[case, kind] = counted["resumed"]
    lines = []
    for case in cases:
        ratios = [less / full for full, less in zip(spent[case, "full"], spent[case, "resumed"], strict=True)]
        lines.append(
            [
                case,
                *(f"{statistics.median(spent[case, kind]):.0f}" for kind in kinds),
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                f"{resumed[case, 'resumed']} of {requests}",
            ]
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=["memory", "requests"])
    parser.add_argument("-k", "--rounds", type=int, default=7)
    parser.add_argument("-n", "--requests", type=int, default=800)
    parser.add_argument("--no-pin", action="store_true", help="let the worker and the load run where they may")
    options = parser.parse_args()
    load_openssl(WITH_TICKETS)
    from handshakes import KEYS, VERSIONS, measure_memory, write_certificate

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only != "requests":
            lines = [["handshake, µs", "full", "resumed", "ratio"]]
            for key in KEYS:
                for version in VERSIONS:
                    for hosts in (1, 4) if key == "P-256" else (1,):
                        lines.append(measure_memory(folder, key, version, hosts, 100 * options.rounds))
            print_table(lines)
            print()
        if options.only != "memory":
            lines = [["request, CPU µs", "without tickets", "full", "resumed", "resumed / full", "were resumed"]]
            certificate, key = write_certificate(folder, "client", KEYS["P-256"]())
            shown = ("-k", str(certificate), "-K", str(key))
            print_table(
                [*lines, *measure_requests(folder, shown, options.rounds, options.requests, not options.no_pin)]
            )


if __name__ == "__main__":
    main()
