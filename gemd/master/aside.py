"""Something done in a child of this process, for its exit code alone.

Rule: the child ends with its parent, and as soon as it is done, whatever threads there are by then.
"""

import os
import sys
from collections.abc import Callable

from gemd.exit_codes import ExitCode
from gemd.system import process


def do_aside(work: Callable[[], ExitCode]) -> ExitCode:
    """Do it, and wait for its code. What it raises is a fault of gemd itself, and told as one. Nothing but this thread
    runs in this process yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return ExitCode(code) if code in set(ExitCode) else ExitCode.INTERNAL
    code = ExitCode.INTERNAL
    try:
        process.die_with_parent(parent)
        code = work()
    finally:
        if (error := sys.exception()) is not None:
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
