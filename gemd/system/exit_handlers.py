"""What is registered with `atexit`, for a process that ends by `os._exit`, where Python runs none of it.

Rules: a handler runs in the process that has registered it, as what it lets go of is that one's; what it raises is
logged, and the next one runs all the same.
"""

import atexit
import contextlib
import logging
import sys

from gemd.system.log import error_log


def forget_inherited_handlers() -> None:
    """Leave what was registered before the fork to the parent, but for what closes the logs of the logging module: each
    process has its own."""
    atexit._clear()
    atexit.register(logging.shutdown)


def run_handlers() -> None:
    """Run those of this process, the last one first, in this thread; then what was printed is written."""
    before = sys.unraisablehook

    def report(unraisable: "sys.UnraisableHookArgs") -> None:
        if "atexit" in (unraisable.err_msg or ""):
            error_log.error("an exit handler of an application failed", exc_info=unraisable.exc_value)
        else:
            before(unraisable)

    sys.unraisablehook = report
    try:
        atexit._run_exitfuncs()
    finally:
        sys.unraisablehook = before
    flush_streams()


def flush_streams() -> None:
    """Write what this process has printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or something else in its place
            stream.flush()
