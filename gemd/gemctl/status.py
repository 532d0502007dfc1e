"""The status of a running gemd, as its master tells it.

Rules: only what identifies a master or worker has to be there, so that gemctl understands a master that is older or
newer; sizes are bytes, times are seconds; 0 bytes of memory, or 0 descriptors, means not known yet.
"""

from collections.abc import Mapping

import msgspec

from gemd.gemctl.failure import Failure


class WorkerStatus(msgspec.Struct, frozen=True):
    """A worker, in the slot `nr`. Two may be in one: one that drains, and its successor."""

    nr: int
    pid: int
    state: str
    generation: int = 0
    uptime: float = 0.0
    requests: int = 0
    bytes: int = 0
    lobby: int = 0
    side_room: int = 0
    memory: int = 0
    private: int = 0
    descriptors: int = 0
    dropped: int = 0


class Status(msgspec.Struct, frozen=True):
    """The master. `requests`, `bytes`, `dropped`, `deaths` and the reloads are counted since it started;
    `descriptors` are its own."""

    version: str
    pid: int
    state: str
    generation: int = 0
    uptime: float = 0.0
    configuration: str | None = None
    listeners: tuple[str, ...] = ()
    slots: int = 0
    requests: int = 0
    bytes: int = 0
    lobby: int = 0
    side_room: int = 0
    memory: int = 0
    descriptors: int = 0
    dropped: int = 0
    deaths: int = 0
    reloads: int = 0
    failed_reloads: int = 0
    workers: tuple[WorkerStatus, ...] = ()


def parse_status(values: Mapping[str, object]) -> Status:
    """Check what came over the socket. Raises Failure."""
    try:
        return msgspec.convert(values, Status)
    except msgspec.ValidationError as error:
        raise Failure(f"gemd's status can't be understood: {error}") from None
