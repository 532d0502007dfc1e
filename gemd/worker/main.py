"""The worker: what a process does between its fork and its exit.

Rules: it lives no longer than its master, whose end of a channel it watches; TERM ends it soon, QUIT when the last
response is out; it never returns to the master's code.
"""

import os
import signal
import socket
import sys
import threading
import time

from gemd.exit_codes import ExitCode
from gemd.protocol import figures
from gemd.responders.app.load import AppLoadError
from gemd.shared.channel import receive_files, say_last_words
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Row
from gemd.system import process
from gemd.system.confinement import Confinement, ConfinementError
from gemd.system.exit_handlers import forget_inherited_handlers, run_handlers
from gemd.system.file_watch import FileWatch
from gemd.system.log import error_log, log_thread_fault
from gemd.system.orphans import adopt_orphans, kill_running
from gemd.system.places import find_share
from gemd.system.privileges import PrivilegeError, drop_privileges, lock_down
from gemd.system.script_threads import SCRIPT_THREADS
from gemd.system.signals import GROUP_SIGNALS, SignalQueue
from gemd.system.tally import tally
from gemd.worker.assembly import make_event_loop
from gemd.worker.chores import begin_chores
from gemd.worker.reporter import Reporter
from gemd.worker.server import GeminiServer
from gemd.worker.thread_pool import ThreadPool

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)  # of those; the master decides about the others
_CLEANUP_TIMEOUT = 1.0  # seconds for applications to clean up after answers that broke off, and as many for scripts
_LOOK_INTERVAL = 0.25  # seconds between two looks at what goes on after answers
_FLUSH_TIMEOUT = 1.0  # seconds for the last lines of the logs
_SWITCH_INTERVAL = 0.001  # seconds after which a thread that computes lets the event loop go on


def run_worker(generation: Generation, nr: int, row: Row, master: int, channel: socket.socket) -> ExitCode:
    """Serve until told to stop. `master` is its pid; `channel` brings log files from it, and ends with it.

    Runs in the worker, whose signals are blocked until it can obey them.
    """
    try:
        process.prefer_throughput()
        process.set_title(f"worker {nr + 1} starting")
        signals = SignalQueue(GROUP_SIGNALS)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        adopt_orphans()
        memory, descriptors = process.MemoryReport(), process.DescriptorReport()
        generation.logs.use()
        tally.use(row.counts.events)
        threading.excepthook = log_thread_fault
        time.tzset()  # the log's time zone, while its file can be read
        confine_scripts(generation.confinement)  # while every directory can be listed
        if generation.identity is not None:
            drop_privileges(generation.identity, generation.config.service.chroot)
        lock_down(keep_capabilities=os.geteuid() == 0)
        if not process.die_with_parent(master):
            return ExitCode.OK
        generation.logs.start()
        applications = generation.applications
        watch = begin_chores(generation) if nr == 0 else None
        forget_inherited_handlers()
        applications.open(row.under_way)
        process.fill_standard_streams()  # where an application has closed one
        _serve(nr, generation, row, signals, channel, memory, descriptors, watch)
    except (PrivilegeError, ConfinementError) as error:
        error_log.error("worker %d serves nothing: %s", nr + 1, error)
        say_last_words(channel, str(error))
        return ExitCode.PRIVILEGES
    except AppLoadError as error:
        error_log.error("%s", error, exc_info=error.__cause__)
        say_last_words(channel, str(error))
        return ExitCode.APPLICATION
    except Exception as error:  # noqa: BLE001, the worker's boundary
        error_log.exception("worker %d has to stop", nr + 1)
        say_last_words(channel, f"{type(error).__name__}: {error}")
        return ExitCode.INTERNAL
    finally:
        generation.logs.flush(_FLUSH_TIMEOUT)
        row.show(figures.DROPPED, generation.logs.dropped)
    return ExitCode.OK


def confine_scripts(confinement: Confinement | None) -> None:
    """Have all scripts of this process touch nothing else. Raises ConfinementError."""
    if confinement is not None:
        SCRIPT_THREADS.confine(confinement.make_ruleset().restrict_thread)


def _serve(
    nr: int,
    generation: Generation,
    row: Row,
    signals: SignalQueue,
    channel: socket.socket,
    memory: process.MemoryReport,
    descriptors: process.DescriptorReport,
    watch: FileWatch | None,
) -> None:
    config = generation.config
    pool = ThreadPool(config.limits.threads)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    event_loop = make_event_loop(generation, row, pool)
    reporter = Reporter(generation, row, event_loop, pool, memory, descriptors, watch)
    max_pending = find_share(config.limits.threads)  # nobody may have all of what takes time
    server = GeminiServer(
        event_loop,
        generation.respond,
        generation.access_log,
        row,
        max_pending,
        reporter.report,
        generation.rate_limit.check if generation.rate_limit is not None else None,
        generation.word_refusal,
        generation.note,
    )

    last_moment = 0.0  # for what goes on, once it has to stop

    def obey() -> None:
        nonlocal last_moment
        for number in signals.take():
            if number in _STOP_SIGNALS:
                last_moment = last_moment or time.monotonic() + app_timeout(config.timeouts.stop)
                generation.end_by(last_moment)
                if number == signal.SIGTERM:  # else clients have all the time that they have anyway
                    event_loop.end_by(time.monotonic() + app_timeout(config.timeouts.stop))
                SCRIPT_THREADS.limit_rest(time.monotonic() if number == signal.SIGTERM else last_moment)
                server.stop(is_urgent=number == signal.SIGTERM)

    def read_channel() -> None:
        if receive_logs(generation, channel):
            return
        error_log.error("the master is gone, and so goes this worker")
        SCRIPT_THREADS.limit_rest(time.monotonic())
        event_loop.unwatch(channel.fileno())
        server.stop(is_urgent=True)
        limit = threading.Timer(config.timeouts.request, _leave_at_once)
        limit.daemon = True
        limit.start()

    event_loop.watch(signals.fileno(), obey)
    event_loop.watch(channel.fileno(), read_channel)
    reporter.report()
    process.set_title(f"worker {nr + 1}")
    server.serve_forever()
    _clean_up(generation, last_moment)
    while not SCRIPT_THREADS.wait_for_rest(_LOOK_INTERVAL):
        row.tick()
        obey()  # which may leave it less time
    SCRIPT_THREADS.wait(_CLEANUP_TIMEOUT)  # what they said last is logged when they have ended


def _clean_up(generation: Generation, last_moment: float) -> None:
    """Let applications clean up after answers that broke off, then run their exit handlers."""
    generation.applications.wait(_CLEANUP_TIMEOUT)
    seconds = exit_timeout(last_moment - time.monotonic(), generation.config.timeouts.worker)
    if not generation.applications.run_last(run_handlers, seconds):
        error_log.warning("exit handlers of applications did not end within %.1f seconds", seconds)


def app_timeout(stop: float) -> float:
    """Seconds for what goes on, applications' answers or scripts' work, out of those after which the master kills this
    worker."""
    return max(stop - 4 * _CLEANUP_TIMEOUT, stop / 2)


def exit_timeout(left: float, worker: float) -> float:
    """Seconds for the exit handlers of applications, where so many are left of those for their answers; what shows no
    sign of life for `worker` seconds is killed."""
    return max(min(left + _CLEANUP_TIMEOUT, worker / 2), _CLEANUP_TIMEOUT)


def receive_logs(generation: Generation, channel: socket.socket) -> bool:
    """Take the log files that the master has opened anew; False when there is no master any more."""
    try:
        paths, descriptors = receive_files(channel)
    except BlockingIOError:
        return True
    for path, descriptor in zip(paths, descriptors, strict=False):  # fewer when none is free
        generation.logs.move(path, descriptor)
    return bool(paths)


def _leave_at_once() -> None:
    """What is not answered by now stays unanswered. Runs in a thread of its own."""
    kill_running()
    os._exit(ExitCode.OK)
