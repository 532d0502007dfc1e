"""What a reload loads: in a child of the master all that has to be read, and from that in the master a generation.

Rule: both build the generation by the code of a start, the child as a trial: what it can't build, or what ends it, the
master never tries.
"""

import os
from collections.abc import Iterable, Sequence

import msgspec

from gemd.config import Config, Problem
from gemd.config.tables import key_path
from gemd.master.report import Outcome, TaskError
from gemd.master.task import Loader
from gemd.shared.generation import Generation
from gemd.startup.assembly import build_generation
from gemd.startup.failures import FAILURES, explain_failure
from gemd.startup.files import find_hidden, read_all
from gemd.startup.findings import Unpacked, pack_findings, unpack_findings
from gemd.startup.private_files import NOT_CONFINED, is_confinement_missing
from gemd.startup.reading import Read, placing
from gemd.startup.resources import Resources, acquire_resources, apply_socket_files, close_new
from gemd.startup.tickets import FIXED as TICKETS_FIXED
from gemd.startup.tickets import find_idle_tickets, set_tickets
from gemd.startup.trials import describe_processes
from gemd.system.log import error_log
from gemd.system.log_file import log_files_opened
from gemd.system.privileges import Identity

_FIXED = "user, group, chroot, master-user, pid-file, control and daemon change at a restart, not at a reload"


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
                resources = acquire_resources(config, current.listeners, None)
                files, hidden = read_all(config, self._workers_user), find_hidden(config)
                trial = build_generation(config, resources, files, self._workers_user, current)
                apply_socket_files(config, current.listeners)
        except FAILURES as failure:
            raise TaskError(*explain_failure(failure)[1]) from None
        return pack_findings(trial, resources, files, current, [*warnings, *hidden])

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
        warn(given.resources, given.config, given.warnings)
        return generation


def _keep_fixed(config: Config, current: Config) -> tuple[Config, Sequence[str]]:
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
        text
        for text, is_changed in ((_FIXED, fixed != new), (TICKETS_FIXED, has_tickets != config.tls.session_tickets))
        if is_changed
    ]
    return set_tickets(msgspec.structs.replace(config, service=fixed), is_on=has_tickets), said


def warn(resources: Resources, config: Config, others: Sequence[str] = ()) -> None:
    """Say in the log what an operator should mend."""
    for warning in list_warnings(resources, config, others):
        error_log.warning("%s", warning.text)


def list_warnings(resources: Resources, config: Config, others: Sequence[str]) -> Iterable[Problem]:
    """What that is, each once, with the key that it is about where that is known."""
    missing = [NOT_CONFINED] if is_confinement_missing(config) else []
    shown = [text for one in resources.proxy_certificates.values() for text in one.warnings]
    found = {text: Problem("", text) for text in (*missing, *others, *find_idle_tickets(config), *shown)}
    for host in config.hosts:
        certificate = resources.certificates.get(host.name)
        key = key_path(host.where, "certificate") if host.certificate is not None else host.where
        found |= {text: Problem(key, text) for text in (certificate.warnings if certificate is not None else ())}
    return found.values()
