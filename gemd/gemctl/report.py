"""The status for people: a few lines on the master, then a table with a row a worker.

Rule: pure functions from a `Status` to text.
"""

from collections.abc import Sequence

from gemd.gemctl.status import Status, WorkerStatus
from gemd.gemctl.terminal import escape
from gemd.protocol.quantities import count, format_count, format_duration, format_size

_GAP = "  "

# heading, whether it is a number
_COLUMNS = (
    ("WORKER", True),
    ("PID", True),
    ("STATE", False),
    ("GEN", True),
    ("UPTIME", True),
    ("REQUESTS", True),
    ("SENT", True),
    ("LOBBY", True),
    ("SIDE ROOM", True),
    ("MEMORY", True),
    ("OWN", True),
    ("FILES", True),
    ("DROPPED", True),
)


def render_status(status: Status, rate: float | None = None) -> str:
    """The whole report; `rate` is the number of requests a second, if it is known."""
    return "\n".join((*_describe_master(status, rate), "", *_tabulate(status.workers))) + "\n"


def _describe_master(status: Status, rate: float | None) -> list[str]:
    requests = format_count(status.requests) + ("" if rate is None else f" ({rate:.1f}/s)")
    facts = (
        ("configuration", status.configuration or "by flags"),
        ("listening on", ", ".join(status.listeners) or "nothing"),
        ("requests", f"{requests}, {format_size(status.bytes)} sent"),
        ("now", f"{format_count(status.lobby)} in the lobby, {format_count(status.side_room)} in the side room"),
        ("memory", format_memory(status.memory)),
        ("open files", f"{format_descriptors(status.descriptors)} in the master"),
        ("reloads", f"{format_count(status.reloads)} done, {format_count(status.failed_reloads)} failed"),
        ("trouble", f"{count(status.dropped, 'log line')} dropped, {count(status.deaths, 'worker death')}"),
    )
    head = (
        f"gemd {status.version}, master {status.pid}, {status.state}, "
        f"generation {status.generation}, up {format_duration(status.uptime)}"
    )
    return [escape(head), *(f"  {name:<15}{escape(value)}" for name, value in facts)]


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
        format_count(worker.requests),
        format_size(worker.bytes),
        format_count(worker.lobby),
        format_count(worker.side_room),
        format_memory(worker.memory),
        format_memory(worker.private),
        format_descriptors(worker.descriptors),
        format_count(worker.dropped),
    )


def format_memory(size: int) -> str:
    """The same, and "-" for what is not known yet."""
    return format_size(size) if size else "-"


def format_descriptors(number: int) -> str:
    """How many are open, and "-" for what is not known yet."""
    return format_count(number) if number else "-"
