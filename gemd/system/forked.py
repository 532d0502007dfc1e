"""Processes that code of others forks from a process of ours, and that come back to our code in the end.

Rules: such a child ends there as a program does that has come to its end, and never goes on with what its parent does;
what it says then forges no line of a log.
"""

import os
import sys

from gemd.protocol.characters import escape
from gemd.system.exit_handlers import flush_streams
from gemd.system.log import describe_error


def end_if_forked(pid: int, error: BaseException | None) -> None:
    """End this process unless it is `pid`: with the code of a SystemExit, with 1 and a traceback for another error, and
    with 0 where there is none. Exit handlers are its parent's.

    To be called before anything is touched that parent and child share.
    """
    if os.getpid() == pid:
        return
    code = 1
    try:
        code, text = _end_of(error)
        if sys.stderr is not None:
            sys.stderr.write(text)
        flush_streams()
    finally:
        os._exit(code)


def _end_of(error: BaseException | None) -> tuple[int, str]:
    """The exit code, and what is said on standard error: as Python's own end has it."""
    if error is None:
        return 0, ""
    if not isinstance(error, SystemExit):
        return 1, "".join(f"{line}\n" for line in describe_error(error))
    if error.code is None:
        return 0, ""
    if isinstance(error.code, int):
        return error.code & 0xFF, ""
    return 1, escape(str(error.code)) + "\n"
