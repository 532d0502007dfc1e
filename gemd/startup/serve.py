"""Serving: the order of a start, and of each reload.

Rules: everything that can fail is tried while the shell that started us still looks; the last step is the master, which
goes on until it is told to stop.
"""

import os
import select
from collections.abc import Sequence

from gemd.config import Config
from gemd.config.settings import Timeouts
from gemd.exit_codes import ExitCode
from gemd.master.control import ControlSocket
from gemd.master.launch import Launch, launch, say_why
from gemd.master.master import MAX_SLOTS, SIGNALS, Master
from gemd.master.notices import DaemonNotices
from gemd.master.process import ForkingProcessControl
from gemd.master.start_limit import start_limit
from gemd.protocol.host import write_authority
from gemd.protocol.url import DEFAULT_PORT
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import ROWS_PER_SLOT, Scoreboard
from gemd.startup.files import Files
from gemd.startup.loader import ConfigLoader
from gemd.startup.prepare import prepare
from gemd.startup.reading import ConfigReader, Read, placing, say_where
from gemd.startup.resources import Inherited, Resources
from gemd.startup.start_warnings import list_warnings
from gemd.startup.tickets import keep_to_loaded
from gemd.startup.trials import describe_processes
from gemd.system import process
from gemd.system.log import error_log
from gemd.system.pid_file import PidFile
from gemd.system.privileges import lock_down
from gemd.system.signals import SignalQueue, ignore_signals, unblock_signals
from gemd.worker.main import run_worker


def serve(read: Read, inherited: Inherited) -> ExitCode:
    """Serve what `read` says, now and at each reload, until told to stop. Signals that come before the master can obey
    them wait for it, and what comes after it is ignored.

    Raises one of FAILURES for what keeps it from beginning.
    """
    signals = SignalQueue(SIGNALS)
    unblock_signals()
    try:
        with placing(read):
            return _serve(read, inherited, signals)
    finally:
        ignore_signals()


def _serve(read: Read, inherited: Inherited, signals: SignalQueue) -> ExitCode:
    with start_limit(Timeouts().start):
        config, warnings = keep_to_loaded(read())
    handover, poll = inherited.handover, select.poll()
    prepared = prepare(config, inherited, poll)
    generation, pid_file, control = prepared.generation, prepared.pid_file, prepared.control
    lock_down(keep_capabilities=os.geteuid() == 0)
    generation.logs.use()
    found = list_warnings(prepared.resources, config, [*warnings, *prepared.warnings])
    announce(config, prepared.resources, prepared.files, [say_where(read, problem) for problem in found])
    is_daemon = config.service.daemon and handover is None
    launched = _detach(generation, pid_file, control, signals) if is_daemon else Launch()
    notices = DaemonNotices(
        generation,
        ConfigLoader(read, prepared.workers_user),
        inherited.directory,
        inherited.notifier,
        inherited.settings,
        pid_file,
        control,
        handover,
        launched,
    )
    if isinstance(read, ConfigReader):
        read.forget()
    code = run_master(notices, generation, poll, signals)
    launched.tell(code)  # unless it has been told already, when the workers served
    if code != ExitCode.OK and generation.config.log.error != "stderr":
        say_why(code, generation.config.log.error)
    return code


def _detach(
    generation: Generation, pid_file: PidFile | None, control: ControlSocket | None, signals: SignalQueue
) -> Launch:
    """Leave the terminal with all that is open."""
    generation.logs.leave_streams()
    keep = [*signals.descriptors]
    keep += [listener.socket.fileno() for listener in generation.listeners]
    keep += [sink.fileno() for sink in generation.logs.files().values()]
    keep += [sock.fileno() for host in generation.hosts for sock in (host.requests, host.served)]
    keep += [each.fileno() for each in (generation.known_servers, generation.upload_spool) if each is not None]
    if pid_file is not None:
        keep.append(pid_file.lock)
    if control is not None:
        keep.append(control.listener.socket.fileno())
    launched = launch(keep, generation.config.log.error)
    generation.logs.streams.copy()
    return launched


def run_master(notices: DaemonNotices, generation: Generation, poll: select.poll, signals: SignalQueue) -> ExitCode:
    """Fork the workers and supervise them until the end."""
    config = generation.config
    process.set_title(f"master {config.source or config.hosts[0].locations[0].source}")
    scoreboard = Scoreboard(ROWS_PER_SLOT * MAX_SLOTS, generation.host_slots)
    master = os.getpid()
    processes = ForkingProcessControl(
        poll,
        signals,
        lambda generation, nr, row, channel: run_worker(generation, nr, scoreboard.keep_to(row), master, channel),
        notices.let_go,
    )
    return Master(processes, notices, scoreboard, generation).run()


def announce(config: Config, resources: Resources, files: Files, warnings: Sequence[str]) -> None:
    """Say in the log what is served where, with which certificate, and where applications run."""
    port = next((listener.port for listener in resources.listeners if listener.port), 0)
    for host in config.hosts:
        certificate = resources.certificates.get(host.name)
        url = f"gemini://{write_authority(host.name, None if port in (0, DEFAULT_PORT) else port)}/"
        error_log.info("serving %s from %s", url, host.locations[0].source or "its locations")
        if certificate is not None:
            fingerprint = certificate.fingerprint
            error_log.info("its certificate %s has the SHA-256 fingerprint %s", certificate.path, fingerprint)
    for line in describe_processes(config, files.apart):
        error_log.info("%s", line)
    for warning in warnings:
        error_log.warning("%s", warning)
    error_log.info("listening on %s; SIGTERM or Ctrl-C stops", ", ".join(map(str, resources.listeners)))
