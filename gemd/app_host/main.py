"""A process for one application: what a fresh interpreter does that a master starts, to its exit.

Rules: the application has the main thread, where it is imported and called, as its authors are used to, and may take
signals; a thread of gemd's relays. It ends with the last who could ask, or as it is told; then what the application has
registered for its end runs, within a limit.
"""

import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

from gemd.app_host.main_thread import MainThread
from gemd.app_host.relay import Relay
from gemd.app_host.shape import become_host
from gemd.exit_codes import ExitCode
from gemd.responders.app.load import AppLoadError, load_named
from gemd.shared.app_host import AppSetup
from gemd.shared.host_log import MasterLog
from gemd.shared.host_process import read_setup
from gemd.system import process
from gemd.system.confinement import ConfinementError
from gemd.system.exit_handlers import run_handlers
from gemd.system.level import Level
from gemd.system.log import error_log
from gemd.system.privileges import PrivilegeError
from gemd.system.script_threads import SCRIPT_THREADS

_END_TIMEOUT = 5.0  # seconds from the last answer to the end, with what an application does there


def main(channel_number: int, requests_number: int) -> NoReturn:
    """Run the application. The channel, a descriptor, leads to the master; by the other one workers ask. Standard input
    is the setup. Ends the process."""
    made = time.time_ns()
    code = ExitCode.INTERNAL
    channel, requests = socket.socket(fileno=channel_number), socket.socket(fileno=requests_number)
    for sock in (channel, requests):
        sock.set_inheritable(False)
    log = MasterLog(channel)
    error_log.use(log, Level.WARNING, is_dated=True, shows_queries=False)
    try:
        setup = read_setup(0, AppSetup)
        error_log.use(log, setup.level, is_dated=True, shows_queries=setup.shows_queries)
        process.fill_standard_streams()  # before anything else is opened: a daemon's are closed
        relay = Relay(setup, channel, requests, made)  # while /proc can be seen
        become_host(setup)
        _serve(setup, relay)
    except (PrivilegeError, ConfinementError, ValueError, OSError) as error:
        error_log.error("the application can't have a process: %s", error)
        code = ExitCode.PRIVILEGES
    except AppLoadError as error:
        error_log.error("%s", error, exc_info=error.__cause__)
        code = ExitCode.APPLICATION
    finally:
        if (fault := sys.exception()) is not None:
            error_log.error("a fault of gemd itself in the process of an application", exc_info=fault)
        _limit_end(code)  # its import may have begun threads
        _leave(code)


def _serve(setup: AppSetup, relay: Relay) -> NoReturn:
    """Load the application, and run its calls until nobody asks any more. Raises AppLoadError, and OSError."""
    location = setup.location
    relay.start()
    process.die_with_parent(os.getppid(), signal.SIGKILL)  # whatever it is at: it may be imported for ever
    app = load_named(location, setup.where)
    process.outlive_parent()  # from now on it ends with the last worker
    process.fill_standard_streams()  # where an application has closed one
    first: MainThread
    if "twisted" in sys.modules:
        from gemd.app_host.reactor import ReactorThread

        first = ReactorThread()
    else:
        first = MainThread()
    threads = first.make_threads(location, setup.where, setup.seconds)
    threads.use(app)

    def stop() -> None:
        _limit_end(ExitCode.OK)
        first.stop()

    relay.open(threads, stop)
    try:
        first.run()
    finally:
        error = sys.exception()
        if error is not None:
            error_log.error("the application %s has ended its process", location.app, exc_info=error)
        code = ExitCode.OK if error is None else ExitCode.INTERNAL
        _limit_end(code)
        _leave(code)


def _limit_end(code: ExitCode) -> None:
    """Have the process end in time, though a call does not come back, or what the application has registered."""
    timer = threading.Timer(_END_TIMEOUT, os._exit, [code])
    timer.daemon = True
    timer.start()


def _leave(code: ExitCode) -> NoReturn:
    """Run what the application has registered for its end."""
    run_handlers()
    SCRIPT_THREADS.wait(_END_TIMEOUT)
    error_log.finish()
    os._exit(code)  # threads of the application's may never end
