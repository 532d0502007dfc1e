"""A trial: an application is imported in a fresh process, which tells what came of that, and ends.

Rule: whatever the application does at its import, who asked is told one thing, or that nothing was told.
"""

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec

from gemd.app_host.shape import become_host
from gemd.responders.app.load import AppLoadError, load_named
from gemd.shared.app_host import AppSetup, TrialResult
from gemd.shared.host_process import read_setup
from gemd.system import process
from gemd.system.confinement import ConfinementError
from gemd.system.file_watch import files_of_applications
from gemd.system.privileges import PrivilegeError

_JETFORCE = "jetforce"


def main(out: int, parent: int) -> int:
    """Import the application of the setup on standard input; by the descriptor `out` say what was found, in one line.
    The process ends with `parent`."""
    os.set_inheritable(out, False)
    result = _try(parent)
    with open(out, "wb", closefd=False) as file:
        file.write(json.dumps(msgspec.to_builtins(result)).encode() + b"\n")
    os._exit(0)  # its threads and what it has registered for its end are not wanted


def _try(parent: int) -> TrialResult:
    try:
        setup = read_setup(0, AppSetup)
    except ValueError as error:
        return TrialResult(error=str(error))
    try:
        become_host(setup)
        handlers = _read_handlers()
        if not process.die_with_parent(parent, signal.SIGKILL):  # which a change of user would undo
            os._exit(0)
        if setup.location.app_process is False:  # as in a worker, where much is refused that a main thread may do
            with ThreadPoolExecutor(1) as executor:
                executor.submit(load_named, setup.location, setup.where).result()
        else:
            load_named(setup.location, setup.where)
    except AppLoadError as error:
        return TrialResult(error=error.text, lines=tuple(error.trace()))
    except (PrivilegeError, ConfinementError, OSError) as error:
        return TrialResult(error=f"the application {setup.location.app} can't be loaded: {error}")
    return TrialResult(
        uses_jetforce=_JETFORCE in sys.modules,
        takes_signals=_read_handlers() != handlers,
        modules=files_of_applications(),
    )


def _read_handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}
