"""What a reload loads: in a child of the master all that has to be read, and from that in the master a generation.

Rule: both build the generation by the code of a start, the child as a trial: what it can't build, or what ends it, the
master never tries.
"""

import os

import msgspec

from gemd.config import Config, Problem
from gemd.master.report import Outcome, TaskError
from gemd.master.task import Loader
from gemd.shared.generation import Generation
from gemd.startup.assembly import build_generation
from gemd.startup.failures import FAILURES, explain_failure
from gemd.startup.files import read_all
from gemd.startup.findings import Unpacked, pack_findings, unpack_findings
from gemd.startup.places_named import about_places
from gemd.startup.reading import Read, placing, say_where
from gemd.startup.resources import acquire_resources, apply_socket_files, close_new
from gemd.startup.start_warnings import list_warnings, look_around
from gemd.startup.tickets import FIXED as TICKETS_FIXED
from gemd.startup.tickets import set_tickets
from gemd.startup.trials import describe_processes
from gemd.system.log import error_log
from gemd.system.log_file import log_files_opened
from gemd.system.privileges import Identity

_FIXED = Problem(
    "", "user, group, chroot, master-user, pid-file, control and daemon change at a restart, not at a reload"
)


class ConfigLoader(Loader):
    """What reads the configuration again, as it was first read."""

    def __init__(self, read: Read, workers_user: Identity | None) -> None:
        """Workers become `workers_user`, unless it is None."""
        self._read = read
        self._workers_user = workers_user

    def find(self, current: Generation) -> Outcome:
        """Read all that there is to read, and try what comes of it. Raises TaskError."""
        try:
            with placing(self._read):
                config, warnings = _keep_fixed(self._read(), current.config)
                with about_places(config):
                    resources = acquire_resources(config, current.listeners, None)
                    files, found = read_all(config, self._workers_user), look_around(config)
                    trial = build_generation(config, resources, files, self._workers_user, current)
                    apply_socket_files(config, current.listeners)
        except FAILURES as failure:
            raise TaskError(*explain_failure(failure)[1]) from None
        said = [say_where(self._read, problem) for problem in list_warnings(resources, config, [*warnings, *found])]
        return pack_findings(trial, resources, files, current, said)

    def make(self, found: Outcome, current: Generation) -> Generation:
        """The next generation; where it raises TaskError, nothing has changed."""
        try:
            return self._build(unpack_findings(found, current), current)
        except FAILURES as failure:
            raise TaskError(*explain_failure(failure)[1]) from None
        except ValueError as error:
            raise TaskError(f"what was found of the configuration can't be used: {error}") from None

    def _build(self, given: Unpacked, current: Generation) -> Generation:
        """Raises one of FAILURES; then what is new is closed."""
        generation: Generation | None = None
        try:
            with log_files_opened(given.logs):
                generation = build_generation(given.config, given.resources, given.files, self._workers_user, current)
        finally:
            for descriptor in given.logs.values():
                os.close(descriptor)
            if generation is None:
                close_new(given.resources.listeners, current.listeners)
                for opened in (given.resources.known_servers, given.resources.upload_spool):
                    if opened is not None:
                        opened.close()
        for line in describe_processes(given.config, given.files.apart):
            error_log.info("%s", line)
        for warning in given.warnings:
            error_log.warning("%s", warning)
        return generation


def _keep_fixed(config: Config, current: Config) -> tuple[Config, list[Problem]]:
    """The configuration with what is decided at the start and stays so, and what is to be said of that."""
    new = config.service
    fixed = msgspec.structs.replace(
        current.service,
        max_requests=new.max_requests,
        max_memory=new.max_memory,
        auto_reload=new.auto_reload,
        upload_spool=new.upload_spool,
    )
    has_tickets = current.tls.session_tickets
    said = [
        problem
        for problem, is_changed in ((_FIXED, fixed != new), (TICKETS_FIXED, has_tickets != config.tls.session_tickets))
        if is_changed
    ]
    return set_tickets(msgspec.structs.replace(config, service=fixed), is_on=has_tickets), said
