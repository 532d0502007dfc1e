"""All of a start before the first process is forked: from a configuration to what the master is made of.

Rules: one order, whether things are made or only looked at (`hands`); everything that can fail is tried here; root is
given up on the way, and comes back for nothing.
"""

import contextlib
import select
from collections.abc import Iterator

import msgspec

from gemd.config import Config, Problem
from gemd.master.control import ControlSocket
from gemd.master.start_limit import start_limit
from gemd.shared.generation import Generation
from gemd.startup import later
from gemd.startup.assembly import build_generation
from gemd.startup.checks import check_machine
from gemd.startup.files import Files, read_all
from gemd.startup.identity import become
from gemd.startup.making import MAKING, Making
from gemd.startup.places_named import about_places
from gemd.startup.resources import (
    Inherited,
    Resources,
    acquire_resources,
    apply_socket_files,
    close_new,
    take_control,
    take_pid_file,
)
from gemd.startup.start_warnings import look_around
from gemd.system.pid_file import PidFile
from gemd.system.privileges import Identity


class Prepared(msgspec.Struct, frozen=True):
    """Workers become `workers_user`, unless it is None; `warnings` are for the error log."""

    generation: Generation
    resources: Resources
    files: Files
    workers_user: Identity | None
    pid_file: PidFile | None
    control: ControlSocket | None
    warnings: list[Problem]


def prepare(
    config: Config, inherited: Inherited, poll: select.poll, hands: Making = MAKING, *, tries_all: bool = False
) -> Prepared:
    """Acquire what only root can, become who serves, and read and build all else; `poll` is the master's. Applications
    are imported, all of them if it `tries_all`. Raises one of FAILURES."""
    handover, seconds = inherited.handover, config.timeouts.start
    with start_limit(seconds), about_places(config):
        user = hands.find_user(config)
        pid_file = take_pid_file(config, handover, user, hands)
        present = inherited.take_listeners(config.timeouts.request)
        resources = acquire_resources(config, present, None if config.service.master_user else user, hands)
        apply_socket_files(config, resources.listeners)  # those of a former master may be others
    close_new(present, resources.listeners)
    if user is not None:
        later.import_all()
    workers_user = become(config, user)
    with start_limit(seconds), about_places(config), _closing(resources):
        check_machine(config)  # again, for this user may see less
        if pid_file is not None:
            pid_file.check_writable()
        files = read_all(config, workers_user, tries_all=tries_all)
        warnings = look_around(config, user)
        with hands.opening_logs(config):
            generation = build_generation(config, resources, files, workers_user)
    control = take_control(config, handover, poll, hands)
    return Prepared(generation, resources, files, workers_user, pid_file, control, warnings)


@contextlib.contextmanager
def _closing(resources: Resources) -> Iterator[None]:
    """Inside, what fails closes the listeners."""
    with contextlib.ExitStack() as unused:
        unused.callback(close_new, resources.listeners, ())
        yield
        unused.pop_all()
