"""The status for people: a few lines on the master, then a table with a row a worker.

Rule: pure functions from a `Status` to text.
"""

from collections.abc import Sequence

from gemd.gemctl.status import Status, WorkerStatus
from gemd.gemctl.terminal import escape
from gemd.protocol.figures import BYTES, DROPPED, FIGURES, MEMORY, REFUSED, REQUESTS, THREADS, Figure
from gemd.protocol.quantities import count, format_count, format_duration, format_size

_GAP = "  "

# heading, whether it is a number
_COLUMNS = (
    ("WORKER", True),
    ("PID", True),
    ("STATE", False),
    ("GEN", True),
    ("UPTIME", True),
    *((figure.heading, True) for figure in FIGURES),
)


def render_status(status: Status, rate: float | None = None) -> str:
    """The whole report; `rate` is the number of requests a second, if it is known."""
    return "\n".join((*_describe_master(status, rate), "", *_tabulate(status.workers))) + "\n"


def _describe_master(status: Status, rate: float | None) -> list[str]:
    requests = format_count(status.total(REQUESTS)) + ("" if rate is None else f" ({rate:.1f}/s)")
    connections = ", ".join(f"{status.total(figure):,} {figure.state}" for figure in FIGURES if figure.state)
    facts = (
        ("configuration", status.configuration or "by flags"),
        ("listening on", ", ".join(status.listeners) or "nothing"),
        ("requests", f"{requests}, {format_size(status.total(BYTES))} sent"),
        ("workers", f"{format_count(status.serving)} of {format_count(status.slots)} serve"),
        ("connections", connections),
        ("threads", f"{format_count(status.total(THREADS))} at work"),
        ("memory", format_figure(MEMORY, status.total(MEMORY))),
        ("open files", f"{format_count(status.descriptors) if status.descriptors else '-'} in the master"),
        ("reloads", f"{format_count(status.reloads)} done, {format_count(status.failed_reloads)} failed"),
        ("trouble", _describe_trouble(status)),
    )
    head = (
        f"gemd {status.version}, master {status.pid}, {status.state}, "
        f"generation {status.generation}, up {format_duration(status.uptime)}"
    )
    return [escape(head), *(f"  {name:<15}{escape(value)}" for name, value in facts)]


def _describe_trouble(status: Status) -> str:
    dropped, refused = count(status.total(DROPPED), "log line"), count(status.total(REFUSED), "connection")
    return f"{dropped} dropped, {refused} refused, {count(status.deaths, 'worker death')}"


def _tabulate(workers: Sequence[WorkerStatus]) -> list[str]:
    order = sorted(workers, key=lambda worker: (worker.nr, -worker.generation))
    rows = [tuple(heading for heading, _ in _COLUMNS), *map(_cells, order)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, _COLUMNS, strict=True)
        padded = (cell.rjust(width) if is_number else cell.ljust(width) for cell, width, (_, is_number) in cells)
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _cells(worker: WorkerStatus) -> tuple[str, ...]:
    return (
        str(worker.nr),
        str(worker.pid),
        escape(worker.state),
        str(worker.generation),
        format_duration(worker.uptime),
        *(format_figure(figure, worker.value(figure)) for figure in FIGURES),
    )


def format_figure(figure: Figure, value: int) -> str:
    """In the figure's unit; "-" for what is not known yet."""
    if not value and not figure.can_be_zero:
        return "-"
    return format_size(value) if figure.unit == "bytes" else format_count(value)
