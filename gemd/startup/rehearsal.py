"""What a start would come to, found by doing all of it short of binding (-t).

Rules: it is done by the code of a start, in a process of its own, which becomes who serves and ends with all that
applications have begun; nothing is made or changed.
"""

import os
import select
import sys

from gemd.config import Config
from gemd.exit_codes import ExitCode
from gemd.master.aside import do_aside
from gemd.master.start_limit import start_limit
from gemd.shared.generation import Generation
from gemd.startup.failures import FAILURES
from gemd.startup.looking import Looking
from gemd.startup.prepare import prepare
from gemd.startup.reading import Read, placing
from gemd.startup.resources import Inherited
from gemd.startup.start_warnings import list_warnings
from gemd.startup.telling import Teller
from gemd.startup.tickets import keep_to_loaded
from gemd.startup.trials import describe_processes
from gemd.startup.warnings import find_all_warnings
from gemd.system import process
from gemd.system.confinement import ConfinementError
from gemd.system.privileges import Identity, PrivilegeError, drop_privileges
from gemd.worker.main import confine_scripts


def rehearse(read: Read, config: Config, inherited: Inherited, teller: Teller) -> ExitCode:
    """Tell all that is wrong with what was `read`, and what is worth a look; the exit code of a start."""
    return do_aside(lambda: _rehearse(read, config, inherited, teller))


def _rehearse(read: Read, config: Config, inherited: Inherited, teller: Teller) -> ExitCode:
    """Runs in the child."""
    sys.dont_write_bytecode = True  # of an application's modules, beside them
    code = ExitCode.OK
    try:
        with placing(read):
            _start(config, inherited, teller)
    except FAILURES as failure:
        code = teller.fail(failure)
    teller.end()
    return code


def _start(config: Config, inherited: Inherited, teller: Teller) -> None:
    """All of it. Raises one of FAILURES."""
    config, warnings = keep_to_loaded(config)
    hands = Looking(config)
    prepared = prepare(config, inherited, select.poll(), hands, tries_all=True)
    process.die_with_parent(os.getppid())  # again, for a change of user undoes it
    for line in describe_processes(config, prepared.files.apart):
        teller.tell(line)
    others = [*warnings, *hands.warnings, *prepared.warnings]
    with start_limit(config.timeouts.start):
        for warning in (*find_all_warnings(config), *list_warnings(prepared.resources, config, others)):
            teller.warn(warning)
    _become_worker(config, prepared.workers_user, prepared.generation)


def _become_worker(config: Config, user: Identity | None, generation: Generation) -> None:
    """What a worker does before it serves. Raises PrivilegeError."""
    try:
        confine_scripts(generation.confinement)
        if user is not None:
            drop_privileges(user, config.service.chroot)
    except ConfinementError as error:
        raise PrivilegeError(str(error)) from None
