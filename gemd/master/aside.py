"""Something done in a child of this process, for its exit code alone.

Rule: the child ends with its parent, and as soon as it is done, whatever threads there are by then; what it has started
ends then too, and what has left its session.
"""

import os
import sys
from collections.abc import Callable

from gemd.exit_codes import ExitCode
from gemd.master.deaths import describe_end
from gemd.master.start_limit import hear_late
from gemd.system import process
from gemd.system.orphans import adopt_orphans, kill_orphans

_DONE = b"."


def do_aside(work: Callable[[], ExitCode]) -> ExitCode:
    """Do it, and wait for its code. What it raises is a fault of gemd itself, and told as one, and so is an end before
    it was done, whatever the code: an application can end its process. Nothing but this thread runs in this process
    yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    reading, writing = os.pipe()
    adopt_orphans()
    child = os.fork()
    if child:
        os.close(writing)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        kill_orphans()
        if _read_one(reading) == _DONE:
            return ExitCode(code)
        text = f"the process that tried all this {describe_end(code)} before it was done"
        print(f"gemd: {text}: an application may have ended it", file=sys.stderr, flush=True)
        return ExitCode.INTERNAL
    code = ExitCode.INTERNAL
    hear_late(lambda _: not os.write(writing, _DONE))  # its code is right, and others tell why
    try:
        process.die_with_parent(parent)
        code = work()
    finally:
        try:
            if (error := sys.exception()) is not None:
                sys.excepthook(type(error), error, error.__traceback__)
            os.write(writing, _DONE)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)  # whatever can't be written


def _read_one(descriptor: int) -> bytes:
    """The one byte that is there; none where there is nothing, though a process may be left that could write."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 1)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)
