"""The status for machines: OpenMetrics 1.0 text.

Rules: counters are totals of the master alone, for those of a worker would fall when it is recycled, which a collector
takes for a restart; what two workers in one slot have is added up, so that a set of labels comes once; the types are
those that the older Prometheus text format knows too.
"""

from collections.abc import Callable, Iterable

import msgspec

from gemd.gemctl.status import Status, WorkerStatus

WORKER_STATES = ("starting", "serving", "draining")
MASTER_STATES = ("serving", "reloading", "upgrading", "stopping")

Samples = Iterable[tuple[dict[str, str], float]]


class _Family(msgspec.Struct, frozen=True):
    name: str
    kind: str
    text: str
    unit: str
    samples: Callable[[Status], Samples]


def render_open_metrics(status: Status) -> str:
    """The whole exposition, "# EOF" included."""
    return "".join(line + "\n" for family in _FAMILIES for line in _render(family, status)) + "# EOF\n"


def _render(family: _Family, status: Status) -> Iterable[str]:
    yield f"# TYPE {family.name} {family.kind}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {family.text}"
    suffix = "_total" if family.kind == "counter" else ""
    for labels, value in family.samples(status):
        listed = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
        yield f"{family.name}{suffix}{{{listed}}} {value}" if listed else f"{family.name}{suffix} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _counter(name: str, text: str, value: Callable[[Status], float], unit: str = "") -> _Family:
    return _Family(name, "counter", text, unit, lambda status: [({}, value(status))])


def _gauge(name: str, text: str, value: Callable[[Status], float], unit: str = "") -> _Family:
    return _Family(name, "gauge", text, unit, lambda status: [({}, value(status))])


def _by_worker(name: str, text: str, value: Callable[[WorkerStatus], float], unit: str = "") -> _Family:
    def add_up(status: Status) -> Samples:
        totals: dict[int, float] = {}
        for worker in sorted(status.workers, key=lambda worker: worker.nr):
            totals[worker.nr] = totals.get(worker.nr, 0) + value(worker)
        return [({"worker": str(nr)}, total) for nr, total in totals.items()]

    return _Family(name, "gauge", text, unit, add_up)


def _count_states(status: Status) -> Samples:
    states = [worker.state for worker in status.workers]
    return [({"state": state}, states.count(state)) for state in dict.fromkeys((*WORKER_STATES, *states))]


def _mark_state(status: Status) -> Samples:
    return [({"state": s}, int(s == status.state)) for s in dict.fromkeys((*MASTER_STATES, status.state))]


def _memory(status: Status) -> Samples:
    return [({}, status.memory)] if status.memory else []


def _descriptors(status: Status) -> Samples:
    return [({}, status.descriptors)] if status.descriptors else []


def _build(status: Status) -> Samples:
    return [({"version": status.version}, 1)]


_FAMILIES = (
    _Family("gemd_build_info", "gauge", "Always 1; the version of the running master.", "", _build),
    _Family("gemd_state", "gauge", "1 for the state that the master is in.", "", _mark_state),
    _gauge("gemd_uptime_seconds", "Time since the master started.", lambda s: s.uptime, "seconds"),
    _gauge("gemd_generation", "Number of the newest generation of workers.", lambda s: s.generation),
    _gauge("gemd_slots", "Number of workers that there should be.", lambda s: s.slots),
    _Family("gemd_workers", "gauge", "Number of workers in a state.", "", _count_states),
    _counter("gemd_requests", "Requests that were answered.", lambda s: s.requests),
    _counter("gemd_response_bytes", "Bytes of responses, headers included.", lambda s: s.bytes, "bytes"),
    _counter("gemd_log_lines_dropped", "Log lines that could not be written.", lambda s: s.dropped),
    _counter("gemd_worker_deaths", "Workers that ended unplanned.", lambda s: s.deaths),
    _counter("gemd_reloads", "Reloads that took effect.", lambda s: s.reloads),
    _counter("gemd_reload_failures", "Reloads that failed and changed nothing.", lambda s: s.failed_reloads),
    _by_worker("gemd_lobby_connections", "Connections whose request is not complete.", lambda w: w.lobby),
    _by_worker("gemd_side_room_requests", "Requests that are answered by threads.", lambda w: w.side_room),
    _Family(
        "gemd_memory_bytes", "gauge", "Memory of all workers, with their share of common pages (PSS).", "bytes", _memory
    ),
    _by_worker("gemd_worker_memory_bytes", "A worker's share of that.", lambda w: w.memory, "bytes"),
    _by_worker("gemd_worker_private_bytes", "Memory of a worker alone (USS).", lambda w: w.private, "bytes"),
    _by_worker("gemd_open_descriptors", "File descriptors that a worker has open.", lambda w: w.descriptors),
    _Family("gemd_master_open_descriptors", "gauge", "File descriptors that the master has open.", "", _descriptors),
)
