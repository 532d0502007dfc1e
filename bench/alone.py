"""What a server takes by itself: time to its first answer, memory after a load, and how it bears Nagle's algorithm.

Rules: servers run one at a time, in turn, in several rounds; a figure is the median over the rounds.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import measure
from measure import MeasureError
from prepare import PAGE_SIZE, SERVERS, Site
from programs import Missing
from tables import print_table

_ROUNDS = 3
_WORKERS = 2
_REQUESTS = 1000
_NAGLE_REQUESTS = 20

_COLUMNS = {
    # heading: (figure, format)
    "start ms": ("start_ms", ".0f"),
    "PSS MiB": ("pss", ".1f"),
    "USS MiB": ("uss", ".1f"),
    "processes": ("processes", ".0f"),
    "USS of a worker": ("worker_uss", ".1f"),
    "Nagle p50 ms": ("nagle_ms", ".1f"),
    "faults": ("faults", ".0f"),
}


def run_alone(gemload: Path, site: Site, only: Sequence[str] | None) -> None:
    """Three rounds of each server, and a table."""
    found: dict[str, list[dict[str, float]]] = {}
    notes: dict[str, None] = {}  # a set in order
    for number in range(_ROUNDS):
        folder = site.folder / f"alone-{number}"
        folder.mkdir()
        for name in [name for name in SERVERS if not only or name in only]:
            try:
                server = SERVERS[name](Site(folder, site.root, site.certificate, site.key), _WORKERS)
                found.setdefault(name, []).append(_measure(gemload, server))
            except (Missing, MeasureError) as error:
                notes[f"{name}: {error}"] = None
    print(f"\nAlone, {_WORKERS} workers, after {_REQUESTS} requests; medians of {_ROUNDS} rounds\n")
    print_table([["server", *_COLUMNS], *([name, *_format(figures)] for name, figures in found.items())])
    if notes:
        print("", *notes, sep="\n")


def _measure(gemload: Path, server: measure.Server) -> dict[str, float]:
    """One round of one server. Raises MeasureError."""
    with measure.run(server) as running:
        page = measure.load(gemload, server.port, "/page.gmi", "-b", str(PAGE_SIZE), requests=_REQUESTS)
        memory = measure.memory(running.pid)
        workers = [measure.memory(pid).uss for pid in measure.children(running.pid)]
        nagle = measure.load(gemload, server.port, "/page.gmi", "-N", connections=1, requests=_NAGLE_REQUESTS)
        figures = {
            "pss": memory.pss,
            "uss": memory.uss,
            "processes": memory.processes,
            "nagle_ms": nagle["p50_ms"],
            "faults": sum(counted["requests"] - counted["ok"] for counted in (page, nagle)),
        }
        if workers:
            figures["worker_uss"] = statistics.median(workers)
        if not server.head_start:
            figures["start_ms"] = running.start_seconds * 1e3
        return figures


def _format(rounds: list[dict[str, float]]) -> list[str]:
    """The medians; empty where there is nothing to tell."""
    cells = []
    for figure, style in _COLUMNS.values():
        values = [figures[figure] for figures in rounds if figure in figures]
        median = sum(values) if figure == "faults" else statistics.median(values) if values else None
        cells.append("" if median is None else format(median, style))
    return cells
