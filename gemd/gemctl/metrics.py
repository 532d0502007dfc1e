"""The status for machines: all metrics, in each of the text formats.

Rules: counters are totals of the master alone, for those of a worker would fall when it is recycled, which a collector
takes for a restart; what two workers in one slot have is added up, so that a set of labels comes once; the types are
those that the older Prometheus text format knows too.
"""

import functools
from collections.abc import Callable, Iterable, Mapping

from gemd.gemctl.counted import COUNTED
from gemd.gemctl.family import Family, Samples, TextFormat
from gemd.gemctl.status import HostStatus, Status
from gemd.protocol.figures import ANSWERS, FIGURES, Figure, Kind

WORKER_STATES = ("starting", "serving", "leaving", "draining")
MASTER_STATES = ("starting", "serving", "reloading", "upgrading", "retired", "stopping")


def render_metrics(status: Status, text_format: TextFormat) -> str:
    """The whole exposition, "# EOF" included where the format has that."""
    lines = [line for family in _FAMILIES for line in family.render(status, text_format)]
    if text_format is TextFormat.OPENMETRICS:
        lines.append("# EOF")
    return "".join(line + "\n" for line in lines)


def _counter(name: str, text: str, value: Callable[[Status], float], unit: str = "") -> Family:
    return Family(name, "counter", text, unit, lambda status: [("", {}, value(status))])


def _gauge(name: str, text: str, value: Callable[[Status], float], unit: str = "") -> Family:
    return Family(name, "gauge", text, unit, lambda status: [("", {}, value(status))])


def _measured() -> Iterable[Family]:
    """What the figures are as metrics."""
    for metric in dict.fromkeys(figure.metric for figure in FIGURES):
        figures = [figure for figure in FIGURES if figure.metric == metric]
        first = figures[0]
        if first.kind is Kind.COUNTER:
            yield _counter(metric, first.text, functools.partial(Status.total, figure=first), first.unit)
        else:
            yield Family(metric, "gauge", first.text, first.unit, functools.partial(_by_slot, figures))
        if first.total:
            total = functools.partial(_total, first)
            yield Family(first.total, "gauge", f"Sum of {metric} over all workers.", first.unit, total)


def _by_slot(figures: Iterable[Figure], status: Status) -> Samples:
    samples: list[tuple[str, Mapping[str, str], float]] = []
    for figure in figures:
        state = {"state": figure.state} if figure.state else {}
        for nr in sorted({worker.nr for worker in status.workers}):
            value = sum(worker.value(figure) for worker in status.workers if worker.nr == nr)
            samples.append(("", {"worker": str(nr), **state}, value))
    return samples


def _total(figure: Figure, status: Status) -> Samples:
    value = status.total(figure)
    return [("", {}, value)] if value or figure.can_be_zero else []


def _count_states(status: Status) -> Samples:
    states = [worker.state for worker in status.workers]
    return [("", {"state": state}, states.count(state)) for state in dict.fromkeys((*WORKER_STATES, *states))]


def _mark_state(status: Status) -> Samples:
    return [("", {"state": s}, int(s == status.state)) for s in dict.fromkeys((*MASTER_STATES, status.state))]


def _descriptors(status: Status) -> Samples:
    return [("", {}, status.descriptors)] if status.descriptors else []


def _of_applications(value: Callable[[HostStatus], float]) -> Callable[[Status], Samples]:
    """By application; what two of its processes have is added up."""

    def samples(status: Status) -> Samples:
        hosts = [host for host in status.hosts if host.kind == "application"]
        names = sorted({host.name for host in hosts})
        return [("", {"application": name}, sum(value(host) for host in hosts if host.name == name)) for name in names]

    return samples


def _answers(status: Status) -> Samples:
    """Those that were ever given."""
    return [
        ("", {"gateway": kind, "status": str(code)}, value)
        for (kind, code), figure in ANSWERS.items()
        if (value := status.total(figure))
    ]


def _build(status: Status) -> Samples:
    return [("", {"version": status.version}, 1)]


_ANSWER = next(iter(ANSWERS.values()))
_FAMILIES = (
    Family("gemd_build_info", "gauge", "Always 1; the version of the running master.", "", _build),
    Family("gemd_state", "gauge", "1 for the state that the master is in.", "", _mark_state),
    _gauge("gemd_uptime_seconds", "Time since the master started.", lambda s: s.uptime, "seconds"),
    _gauge("gemd_generation", "Number of the newest generation of workers.", lambda s: s.generation),
    _gauge("gemd_slots", "Number of workers that there should be.", lambda s: s.slots),
    Family("gemd_workers", "gauge", "Number of workers in a state.", "", _count_states),
    _gauge("gemd_serving_workers", "Workers that take connections: serving or leaving.", lambda s: s.serving),
    _counter("gemd_worker_deaths", "Workers that ended unplanned.", lambda s: s.deaths),
    _counter("gemd_reloads", "Reloads that took effect.", lambda s: s.reloads),
    _counter("gemd_reload_failures", "Reloads that failed and changed nothing.", lambda s: s.failed_reloads),
    *_measured(),
    *COUNTED,
    Family(_ANSWER.metric, "counter", _ANSWER.text, "", _answers),
    Family(
        "gemd_application_processes",
        "gauge",
        "Processes of an application that has one of its own, and that take requests.",
        "",
        _of_applications(lambda host: host.state in ("serving", "leaving")),
    ),
    Family(
        "gemd_application_active_requests",
        "gauge",
        "Requests that such a process is answering.",
        "",
        _of_applications(lambda host: host.active),
    ),
    Family(
        "gemd_application_memory_bytes",
        "gauge",
        "Memory of such a process, with its share of common pages (PSS).",
        "bytes",
        _of_applications(lambda host: host.memory),
    ),
    Family("gemd_master_open_descriptors", "gauge", "File descriptors that the master has open.", "", _descriptors),
)
