"""The status of a running gemd, as its master tells it.

Rules: only what identifies a master or worker has to be there, so that gemctl understands a master that is older or
newer; sizes are bytes, times are seconds; a figure that can't be 0 is not known while it is.
"""

from collections.abc import Mapping

import msgspec

from gemd.gemctl.failure import Failure
from gemd.protocol.figures import ALL_FIGURES, Figure


class WorkerStatus(msgspec.Struct, frozen=True):
    """A worker, in the slot `nr`. Two may be in one: one that drains, and its successor."""

    nr: int
    pid: int
    state: str
    figures: dict[str, int]
    generation: int = 0
    uptime: float = 0.0

    def value(self, figure: Figure) -> int:
        """What the worker has of it."""
        return self.figures[figure.name]


class HostStatus(msgspec.Struct, frozen=True):
    """A process beside the workers: a script host, or an application. What it does not tell is 0: how many requests it
    has answered and is answering, its memory in bytes (PSS and USS), its descriptors."""

    kind: str
    name: str
    pid: int
    state: str
    generation: int = 0
    uptime: float = 0.0
    requests: int = 0
    active: int = 0
    memory: int = 0
    private: int = 0
    descriptors: int = 0


class Status(msgspec.Struct, frozen=True):
    """The master. Counters, deaths and reloads are counted since it started; `descriptors` are its own, `serving` the
    workers that take connections. `responses` are by host and class of status; `durations` are by responder: numbers by
    bucket for each class, and "seconds" in all; `events` are by kind and value; `certificates` have the end of that of
    each host, in seconds since the epoch."""

    version: str
    pid: int
    state: str
    figures: dict[str, int]
    generation: int = 0
    uptime: float = 0.0
    configuration: str | None = None
    listeners: tuple[str, ...] = ()
    slots: int = 0
    serving: int = 0
    descriptors: int = 0
    deaths: int = 0
    reloads: int = 0
    failed_reloads: int = 0
    workers: tuple[WorkerStatus, ...] = ()
    hosts: tuple[HostStatus, ...] = ()
    responses: dict[str, dict[str, int]] = {}
    durations: dict[str, dict[str, float | list[int]]] = {}
    events: dict[str, dict[str, int]] = {}
    certificates: dict[str, float] = {}

    def total(self, figure: Figure) -> int:
        """What all workers have of it, and of a counter those that have ended."""
        return self.figures[figure.name]


def parse_status(values: Mapping[str, object]) -> Status:
    """Check what came over the socket. Raises Failure."""
    try:
        workers = msgspec.convert(values.get("workers", ()), tuple[dict[str, object], ...])
        return msgspec.convert({**_gather(values), "workers": tuple(map(_gather, workers))}, Status)
    except msgspec.ValidationError as error:
        raise Failure(f"gemd's status can't be understood: {error}") from None


def _gather(values: Mapping[str, object]) -> dict[str, object]:
    """With the figures in a table of their own."""
    return {**values, "figures": {figure.name: values.get(figure.name, 0) for figure in ALL_FIGURES}}
