"""The status for people: a few lines on the master, then a table with a row a worker.

Rule: pure functions from a `Status` to text.
"""

from collections.abc import Iterable, Sequence

from gemd.gemctl.rates import Rates
from gemd.gemctl.status import HostStatus, Status, WorkerStatus
from gemd.gemctl.terminal import escape
from gemd.protocol.counters import EVICTIONS, FAILURES, REFUSALS, Events
from gemd.protocol.figures import (
    BYTES,
    DESCRIPTORS,
    DROPPED,
    FIGURES,
    MEMORY,
    PRIVATE,
    RECEIVED,
    REFUSED,
    REQUESTS,
    THREADS,
    Figure,
)
from gemd.protocol.quantities import count, format_count, format_duration, format_size

_GAP = "  "
_MOST_REASONS = 5  # that are told
_HAPPENED = ((FAILURES, "no handshake"), (REFUSALS, "refusals"), (EVICTIONS, "evictions"))

# heading, whether it is a number
_COLUMNS = (
    ("WORKER", True),
    ("PID", True),
    ("STATE", False),
    ("GEN", True),
    ("UPTIME", True),
    *((figure.heading, True) for figure in FIGURES),
)

_RATE_COLUMNS = (("REQ/S", True), ("SENT/S", True))
_FIRST_FIGURE = len(_COLUMNS) - len(FIGURES)  # rates go before them, where a narrow terminal has room

_HOST_COLUMNS = (
    ("BESIDE THEM", False),
    ("PID", True),
    ("STATE", False),
    ("GEN", True),
    ("UPTIME", True),
    (REQUESTS.heading, True),
    ("ACTIVE", True),
    *((figure.heading, True) for figure in (MEMORY, PRIVATE, DESCRIPTORS)),
)


def render_status(status: Status, rates: Rates | None = None, watched: Sequence[str] = ()) -> str:
    """The whole report; of one who watches with rates, where they are known, and the lines `watched`."""
    head, *facts = _describe_master(status, rates)
    workers = _tabulate_watched(status.workers, rates) if watched else _tabulate_workers(status.workers)
    lines = [head, *watched, *facts, "", *workers]
    if status.hosts:
        lines += ["", *_tabulate_hosts(status.hosts)]
    return "\n".join(lines) + "\n"


def summarise_status(status: Status, rates: Rates | None) -> str:
    """In one line, of one who watches."""
    connections = sum(status.total(figure) for figure in FIGURES if figure.state)
    facts = (
        f"{format_count(status.total(REQUESTS))} requests{_per_second(rates, REQUESTS)}",
        f"{format_size(status.total(BYTES))} sent{_per_second(rates, BYTES)}",
        f"{format_size(status.total(RECEIVED))} received{_per_second(rates, RECEIVED)}",
        count(connections, "connection"),
        f"{format_count(status.total(REFUSED))} refused{_per_second(rates, REFUSED)}",
        f"{format_count(status.serving)} of {format_count(status.slots)} workers serve",
    )
    return escape(f"{status.state}: {', '.join(facts)}")


def _per_second(rates: Rates | None, figure: Figure) -> str:
    return "" if rates is None else f" ({_format_rate(figure, rates.totals[figure.name])}/s)"


def _format_rate(figure: Figure, rate: float) -> str:
    return format_size(int(rate)) if figure.unit == "bytes" else f"{rate:,.1f}"


def _describe_master(status: Status, rates: Rates | None) -> list[str]:
    requests = format_count(status.total(REQUESTS)) + _per_second(rates, REQUESTS)
    sent = f"{format_size(status.total(BYTES))} sent{_per_second(rates, BYTES)}"
    connections = ", ".join(f"{status.total(figure):,} {figure.state}" for figure in FIGURES if figure.state)
    facts = (
        ("configuration", status.configuration or "by flags"),
        ("listening on", ", ".join(status.listeners) or "nothing"),
        ("requests", f"{requests}, {sent}"),
        ("workers", f"{format_count(status.serving)} of {format_count(status.slots)} serve"),
        ("connections", connections),
        ("threads", f"{format_count(status.total(THREADS))} at work"),
        ("memory", format_figure(MEMORY, status.total(MEMORY))),
        ("open files", f"{format_count(status.descriptors) if status.descriptors else '-'} in the master"),
        ("reloads", f"{format_count(status.reloads)} done, {format_count(status.failed_reloads)} failed"),
        ("trouble", _describe_trouble(status, rates)),
        *((heading, text) for events, heading in _HAPPENED if (text := _describe_events(status, events))),
    )
    head = (
        f"gemd {status.version}, master {status.pid}, {status.state}, "
        f"generation {status.generation}, up {format_duration(status.uptime)}"
    )
    return [escape(head), *(f"  {name:<15}{escape(value)}" for name, value in facts)]


def _describe_trouble(status: Status, rates: Rates | None) -> str:
    dropped, refused = count(status.total(DROPPED), "log line"), count(status.total(REFUSED), "connection")
    rate = _per_second(rates, REFUSED)
    return f"{dropped} dropped, {refused} refused{rate}, {count(status.deaths, 'worker death')}"


def _describe_events(status: Status, events: Events) -> str:
    """How many there were by each reason, the most first; nothing where there were none."""
    numbers = {value: number for value, number in status.events.get(events.name, {}).items() if number}
    most = sorted(numbers, key=lambda value: -numbers[value])[:_MOST_REASONS]
    return ", ".join(f"{format_count(numbers[value])} {value}" for value in most)


def _tabulate_workers(workers: Sequence[WorkerStatus]) -> list[str]:
    return _tabulate(_COLUMNS, map(_worker_cells, _order(workers)))


def _tabulate_watched(workers: Sequence[WorkerStatus], rates: Rates | None) -> list[str]:
    def with_rates(worker: WorkerStatus) -> tuple[str, ...]:
        cells = _worker_cells(worker)
        return (*cells[:_FIRST_FIGURE], *_rate_cells(worker, rates), *cells[_FIRST_FIGURE:])

    columns = (*_COLUMNS[:_FIRST_FIGURE], *_RATE_COLUMNS, *_COLUMNS[_FIRST_FIGURE:])
    return _tabulate(columns, map(with_rates, _order(workers)))


def _order(workers: Sequence[WorkerStatus]) -> list[WorkerStatus]:
    return sorted(workers, key=lambda worker: (worker.nr, -worker.generation))


def _tabulate_hosts(hosts: Sequence[HostStatus]) -> list[str]:
    order = sorted(hosts, key=lambda host: (host.kind, host.name, -host.generation))
    return _tabulate(_HOST_COLUMNS, map(_host_cells, order))


def _tabulate(columns: Sequence[tuple[str, bool]], cells: Iterable[Sequence[str]]) -> list[str]:
    rows = [tuple(heading for heading, _ in columns), *cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        entries = zip(row, widths, columns, strict=True)
        padded = (cell.rjust(width) if is_number else cell.ljust(width) for cell, width, (_, is_number) in entries)
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _worker_cells(worker: WorkerStatus) -> tuple[str, ...]:
    return (
        str(worker.nr),
        str(worker.pid),
        escape(worker.state),
        str(worker.generation),
        format_duration(worker.uptime),
        *(format_figure(figure, worker.value(figure)) for figure in FIGURES),
    )


def _rate_cells(worker: WorkerStatus, rates: Rates | None) -> tuple[str, str]:
    known = None if rates is None else rates.of_worker(worker)
    if known is None:
        return "-", "-"
    requests, sent = known
    return _format_rate(REQUESTS, requests), _format_rate(BYTES, sent)


def _host_cells(host: HostStatus) -> tuple[str, ...]:
    return (
        escape(f"{host.kind} {host.name}"),
        str(host.pid),
        escape(host.state),
        str(host.generation),
        format_duration(host.uptime),
        format_count(host.requests),
        format_count(host.active),
        format_figure(MEMORY, host.memory),
        format_figure(PRIVATE, host.private),
        format_figure(DESCRIPTORS, host.descriptors),
    )


def format_figure(figure: Figure, value: int) -> str:
    """In the figure's unit; "-" for what is not known yet."""
    if not value and not figure.can_be_zero:
        return "-"
    return format_size(value) if figure.unit == "bytes" else format_count(value)
