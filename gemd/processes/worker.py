"""The worker: what a process does between its fork and its exit.

Rules: it lives no longer than its master, whose end of a pipe it watches; TERM ends it soon, QUIT when the last
response is out; it never returns to the master's code. Forked by `gemd.processes.kernel`.
"""

import os
import signal
import threading
from collections.abc import Sequence

import msgspec

from gemd.config.settings import Config
from gemd.exit_codes import ExitCode
from gemd.processes.lobby import Lobby
from gemd.processes.scoreboard import Row
from gemd.processes.server import GeminiServer, Respond
from gemd.processes.side_room import SideRoom
from gemd.system import process
from gemd.system.access_log import AccessLog
from gemd.system.listener import Listener
from gemd.system.log import error_log
from gemd.system.script import adopt_orphans, kill_running
from gemd.system.signals import SignalQueue
from gemd.system.tls import Context

_SPARE_DESCRIPTORS = 128  # for listeners, logs, files and scripts; the lobby may have the others

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)
# A terminal's Ctrl-C and hang-up reach the whole group, and the master decides. They are taken and not ignored, because
# a script would inherit that.
_UNHEEDED_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Workplace(msgspec.Struct, frozen=True):
    """What a worker inherits, all of it made by the master before the fork."""

    config: Config
    listeners: Sequence[Listener]
    context: Context
    respond: Respond
    access_log: AccessLog


def run_worker(nr: int, workplace: Workplace, row: Row, master: int, lifeline: int) -> ExitCode:
    """Serve until told to stop. `master` is its pid, `lifeline` the pipe that ends with it.

    Runs in the worker, whose signals are blocked until it can obey them.
    """
    try:
        process.prefer_throughput()
        process.set_title(f"worker {nr + 1}")
        signals = SignalQueue(_STOP_SIGNALS + _UNHEEDED_SIGNALS)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        process.forbid_inspection()
        adopt_orphans()
        if not process.die_with_parent(master):
            return ExitCode.OK
        _serve(workplace, row, signals, lifeline)
    except Exception:  # noqa: BLE001, the worker's boundary
        error_log.exception("worker %d has to stop", nr + 1)
        return ExitCode.INTERNAL
    return ExitCode.OK


def _serve(workplace: Workplace, row: Row, signals: SignalQueue, lifeline: int) -> None:
    config = workplace.config
    lobby = Lobby(workplace.listeners, workplace.context, config.timeouts, lobby_size(config))
    server = GeminiServer(
        lobby, SideRoom(config.limits.threads), workplace.respond, workplace.access_log, row, config.timeouts
    )
    lobby.on_loss = server.report_loss

    def obey() -> None:
        for number in signals.take():
            if number in _STOP_SIGNALS:
                server.stop(hurry=number == signal.SIGTERM)

    def follow_master() -> None:
        error_log.error("the master is gone, and so goes this worker")
        lobby.unwatch(lifeline)
        server.stop(hurry=True)
        limit = threading.Timer(config.timeouts.request, _leave_at_once)
        limit.daemon = True
        limit.start()

    lobby.watch(signals.fileno(), obey)
    lobby.watch(lifeline, follow_master)
    server.service_actions()
    server.serve_forever()


def _leave_at_once() -> None:
    """What is not answered by now stays unanswered. Runs in a thread of its own."""
    kill_running()
    os._exit(ExitCode.OK)


def lobby_size(config: Config) -> int:
    """The configured size, or what the limit of open descriptors leaves."""
    room = process.raise_descriptor_limit() - 3 * config.limits.threads - _SPARE_DESCRIPTORS
    return max(16, min(config.limits.lobby, room // 2))  # one half arrives, the other is being seen out
