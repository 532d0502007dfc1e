"""Measures gemd beside other servers: `make bench`, or `compare.py -h` for more.

Rules: servers run one at a time, in turn, in several rounds, so that what disturbs the machine disturbs all of them; a
figure is the median over the rounds; nothing is asserted. It ends within ten minutes, and stops what it started.
"""

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apps
import bursts
import changes
import download
import hostile
import measure
import prepare
import scenarios
import tables
import targets
from cryptography.hazmat.backends.openssl import backend
from measure import MeasureError
from prepare import BUILD, FILE_SIZE, PAGE_SIZE, SERVERS, Missing, Site

_LAST_START = 400.0  # seconds; a server that would be measured later is left out, so that the end comes in time
_WARM_UP = 200
_NAGLE_REQUESTS = 20
_FILES = 40
_FILE_CONNECTIONS = 4

_SCENARIOS = {
    "slow": scenarios.run_slow,
    "kill": scenarios.run_kill,
    "streams": apps.run_streams,
    "reload": changes.run_reload,
    "upgrade": changes.run_upgrade,
    "rotate": changes.run_rotate,
    "download": download.run_download,
    "recycle": changes.run_recycle,
}

_COLUMNS = {
    # heading: (figure, format)
    "CPU µs/request": ("cpu_us", ".0f"),
    "x floor": ("ratio", ".2f"),
    "req/s": ("rps", ".0f"),
    "p50 ms": ("p50_ms", ".2f"),
    "p99 ms": ("p99_ms", ".2f"),
    "Nagle p50 ms": ("nagle_ms", ".1f"),
    "10 MiB: MB/s": ("mb_s", ".0f"),
    "CPU ms": ("file_cpu_ms", ".1f"),
    "PSS MiB": ("pss", ".1f"),
    "USS MiB": ("uss", ".1f"),
    "processes": ("processes", ".0f"),
    "start ms": ("start_ms", ".0f"),
    "faults": ("faults", ".0f"),
}


@dataclass(slots=True)
class Row:
    """What was measured of one server: the figures of each round, or why there are none."""

    server: str
    rounds: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        """The medians, formatted; empty where there is nothing to tell."""
        return [self._cell(figure, style) for figure, style in _COLUMNS.values()]

    def _cell(self, figure: str, style: str) -> str:
        values = [found[figure] for found in self.rounds if figure in found]
        if not values:
            return ""
        return format(sum(values) if figure == "faults" else statistics.median(values), style)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 0 unless the tools themselves could not be made."""
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is stopped on the way out
    try:
        gemload = prepare.compile_program("gemload")
        prepare.compile_program("floor")
        with tempfile.TemporaryDirectory(prefix="gemd-bench-") as folder:
            site = prepare.make_site(Path(folder))
            print_conditions(options.workers)
            if options.command == "table":
                compare(gemload, site, options)
            elif options.command == "bursts":
                bursts.run_bursts(gemload, site, options.workers, options.before)
            elif options.command == "apps":
                apps.run_apps(gemload, site, options.k, options.n, options.c)
            elif options.command == "hostile":
                hostile.run_hostile(gemload, site, options.workers, options.only, options.attack)
            else:
                _SCENARIOS[options.command](gemload, site, options.workers)
    except (Missing, MeasureError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Measure gemd beside other servers. bench/README.md has the details.")
    parser.add_argument(
        "command",
        nargs="?",
        choices=["table", "apps", "bursts", "hostile", *_SCENARIOS],
        default="table",
        help="table: CPU, speed and memory of all servers (default); slow: 2,000 clients that don't go on; "
        "kill: one worker killed each second; apps: an application on gemd and on Jetforce; "
        "bursts: a static page, here and in another folder; "
        "streams: 200 answers that go on, and a static page; "
        "hostile: what a visitor meets while others attack; "
        "reload, upgrade, rotate, recycle: what clients lose meanwhile; download: 40 seconds that live through them",
    )
    table = parser.add_argument_group("table and apps")
    table.add_argument("-n", type=int, default=3000, metavar="REQUESTS", help="requests a round (default: 3000)")
    table.add_argument("-c", type=int, default=16, metavar="CONNS", help="connections at a time (default: 16)")
    table.add_argument("-k", type=int, default=3, metavar="ROUNDS", help="rounds (default: 3)")
    table.add_argument(
        "--only",
        action="append",
        choices=dict.fromkeys([*SERVERS, *targets.SERVERS]),
        metavar="SERVER",
        help=f"{', '.join(SERVERS)}, or of hostile {', '.join(targets.SERVERS)}; more than once; table and hostile",
    )
    attacks = [*hostile.ATTACKS, *hostile.FOOTPRINTS]
    parser.add_argument(
        *("--attack", "-a"),
        action="append",
        choices=attacks,
        metavar="ATTACK",
        help=f"{', '.join(attacks)} (default: all); more than once; hostile",
    )
    parser.add_argument(
        "--workers", type=int, default=_cpus(), metavar="N", help="workers of gemd and floor (default: one a CPU)"
    )
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="another gemd's source, to compare with; bursts")
    options = parser.parse_args(arguments)
    if min(options.n, options.c, options.k, options.workers) < 1:
        parser.error("-n, -c, -k and --workers have to be 1 or more")
    known = targets.SERVERS if options.command == "hostile" else SERVERS
    if others := [name for name in options.only or () if name not in known]:
        parser.error(f"--only {others[0]}: not a server of this measurement")
    return options


def _cpus() -> int:
    return max(2, len(os.sched_getaffinity(0)))


def print_conditions(workers: int) -> None:
    """What the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    system = subprocess.run([BUILD / "floor", "-V"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"{os.cpu_count()} x {model}, {workers} workers, Linux {platform.release()}, load {os.getloadavg()[0]:.2f}")
    print(f"Python {platform.python_version()}; OpenSSL: gemd {backend.openssl_version_text()}, floor {system}")


# The table


def compare(gemload: Path, site: Site, options: argparse.Namespace) -> None:
    """Measure the servers in turn, and print the table."""
    last_start = time.monotonic() + _LAST_START
    wanted = [name for name in SERVERS if not options.only or name in options.only]
    rows = {name: Row(name) for name in wanted}
    ready = _prepare_all(rows, site, options.workers)
    for number in range(1, options.k + 1):
        found: dict[str, dict[str, float]] = {}
        for name, server in ready.items():
            if time.monotonic() > last_start:
                rows[name].notes.append(f"round {number} left out: no time left")
                continue
            _show_progress(f"round {number} of {options.k}: {name}")
            try:
                found[name] = measure_server(gemload, server, rows[name], options.n, options.c)
            except MeasureError as error:
                rows[name].notes.append(f"round {number}: {error}")
        for name, figures in found.items():
            if "floor" in found:
                figures["ratio"] = figures["cpu_us"] / found["floor"]["cpu_us"]
            rows[name].rounds.append(figures)
    _show_progress("")
    peers = [f"{name} {prepare.package_version(name)}" for name in ready if name in prepare.PACKAGES]
    if peers:
        print("Beside gemd:", ", ".join(peers))
    print(f"{options.n} requests a round, {options.c} connections at a time, median of {options.k} rounds\n")
    print_table(list(rows.values()))


def _prepare_all(rows: dict[str, Row], site: Site, workers: int) -> dict[str, measure.Server]:
    ready: dict[str, measure.Server] = {}
    for name, row in rows.items():
        try:
            ready[name] = SERVERS[name](site, workers)
        except Missing as error:
            row.notes.append(str(error))
    return ready


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def measure_server(
    gemload: Path, server: measure.Server, row: Row, requests: int, connections: int
) -> dict[str, float]:
    """One round of one server. Raises MeasureError."""
    with measure.run(server) as running:
        measure.load(gemload, server.port, "/page.gmi", connections=connections, requests=_WARM_UP, timeout=30)
        page, page_cpu = _load_and_note(gemload, server, running, row, "/page.gmi", PAGE_SIZE, requests, connections)
        nagle = measure.load(gemload, server.port, "/page.gmi", "-N", connections=1, requests=_NAGLE_REQUESTS)
        memory = measure.memory(running.pid)
        file, file_cpu = _load_and_note(
            gemload, server, running, row, "/file.txt", FILE_SIZE, _FILES, min(_FILE_CONNECTIONS, connections)
        )
        return {
            "cpu_us": page_cpu / requests * 1e6,
            "rps": page["rps"],
            "p50_ms": page["p50_ms"],
            "p99_ms": page["p99_ms"],
            "nagle_ms": nagle["p50_ms"],
            "mb_s": file["mb_s"],
            "file_cpu_ms": file_cpu / _FILES * 1e3,
            "pss": memory.pss,
            "uss": memory.uss,
            "processes": memory.processes,
            "start_ms": running.start_seconds * 1e3,
            "faults": page["requests"] - page["ok"] + file["requests"] - file["ok"],
        }


def _load_and_note(
    gemload: Path,
    server: measure.Server,
    running: measure.Running,
    row: Row,
    path: str,
    size: int,
    requests: int,
    connections: int,
) -> tuple[dict[str, float], float]:
    """What gemload says, and the server's CPU seconds meanwhile; faults go to the row's notes."""
    counted, cpu = measure.load_and_count(gemload, server, running, path, size, requests, connections)
    faults = measure.describe_faults(counted)
    if faults:
        row.notes.append(f"{path}: {faults}")
    return counted, cpu


def print_table(rows: list[Row]) -> None:
    """The rows in Markdown, then what there is to say about them."""
    tables.print_table([["server", *_COLUMNS], *([row.server, *row.cells()] for row in rows)])
    notes = [f"{row.server}: {note}" for row in rows for note in row.notes]
    if notes:
        print("", *notes, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
