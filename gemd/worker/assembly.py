"""From a generation to a worker's event loop: how many connections it may have, who may begin, what is passed on where.

Rule: all is made of what the generation decided, and of the limits of this process.
"""

from gemd.config.app_settings import find_applications
from gemd.config.settings import Config
from gemd.config.upload_locations import takes_uploads
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Row
from gemd.system import process
from gemd.worker.admission import Admission, ConnectionLimit
from gemd.worker.event_loop import EventLoop
from gemd.worker.lookups import Lookups
from gemd.worker.pass_log import pass_logger
from gemd.worker.passed import Passes
from gemd.worker.server import loss_reporter
from gemd.worker.thread_pool import ThreadPool
from gemd.worker.upstream import find_upstreams

_SPARE_DESCRIPTORS = 128  # for listeners, logs, files and scripts; connections may have the others


def make_event_loop(generation: Generation, row: Row, pool: ThreadPool) -> EventLoop:
    """What all connections of this worker are with. `pool` has its threads."""
    config = generation.config
    lookups = Lookups(pool)
    return EventLoop(
        dict(zip(generation.listeners, generation.listen, strict=True)),
        generation.context,
        config.timeouts,
        config.limits,
        connection_limit(config),
        pool,
        lookups,
        row.under_way,
        loss_reporter(generation.access_log),
        _make_admission(generation, row),
        _make_passes(generation, lookups),
        generation.word_refusal,
        takes_uploads=takes_uploads(config),
    )


def _make_passes(generation: Generation, lookups: Lookups) -> Passes | None:
    """None where no host is passed on."""
    config = generation.config
    if not config.passes:
        return None
    return Passes(find_upstreams(config.hosts, generation.passes, lookups), pass_logger(generation.access_log))


def _make_admission(generation: Generation, row: Row) -> Admission | None:
    """None where everybody may begin a handshake."""
    limits, handshakes, may_come = generation.config.limits, generation.handshake_limit, generation.may_come
    most = limits.connections_per_address
    connections = ConnectionLimit(row, most) if most is not None else None
    if may_come is None and connections is None and handshakes is None:
        return None
    return Admission(generation.access_log, may_come, connections, handshakes, limits.ipv6_prefix)


def connection_limit(config: Config) -> int:
    """How many connections may be read, and as many again answered: as configured, or what the limit of open
    descriptors leaves. One that is answered may have a file or some pipes open besides, one that uploads a file and its
    directory; each thread of an application has one."""
    applications = sum(location.app_threads for _, location in find_applications(config))
    left = process.raise_descriptor_limit() - 3 * config.limits.threads - applications - _SPARE_DESCRIPTORS
    return max(16, min(config.limits.connections, left // (4 if takes_uploads(config) else 3)))
