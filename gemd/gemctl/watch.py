"""The status again and again, redrawn in place on a terminal.

Rules: the cursor is shown again however it ends; a master that can't be asked for a while, as during a restart, is a
line on the screen and no end.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TextIO

from gemd.gemctl.failure import Failure
from gemd.gemctl.report import render_status
from gemd.gemctl.status import Status
from gemd.gemctl.terminal import escape
from gemd.protocol.figures import REQUESTS

_HOME = "\x1b[H"
_CLEAR_LINE = "\x1b[K"
_CLEAR_REST = "\x1b[J"
_HIDE_CURSOR = "\x1b[?25l"
_SHOW_CURSOR = "\x1b[?25h"


def watch(ask_status: Callable[[], Status], seconds: float, output: TextIO) -> None:
    """Show the status every `seconds` until Ctrl-C or SIGTERM. Raises Failure if it can't be had the first time."""
    before, then = ask_status(), time.monotonic()
    drawing = render_status(before)
    previous = signal.signal(signal.SIGTERM, _leave)
    is_terminal = output.isatty()
    try:
        if is_terminal:
            output.write(_HIDE_CURSOR)
        while True:
            output.write(_frame(drawing, output) if is_terminal else drawing + "\n")
            output.flush()
            time.sleep(seconds)
            try:
                status, now = ask_status(), time.monotonic()
            except Failure as failure:
                drawing = "".join(f"{escape(line)}\n" for line in failure.lines)
                continue
            drawing = render_status(status, rate_between(before, status, now - then))
            before, then = status, now
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, previous)
        if is_terminal:
            output.write(_SHOW_CURSOR + "\n")
            output.flush()


def rate_between(before: Status, after: Status, seconds: float) -> float | None:
    """Requests a second; None where another master counts from 0 again."""
    requests = after.total(REQUESTS) - before.total(REQUESTS)
    return None if before.pid != after.pid or requests < 0 or seconds <= 0 else requests / seconds


def draw(text: str, columns: int, lines: int) -> str:
    """What draws `text` over an earlier drawing on a terminal of this size; what doesn't fit is cut off."""
    shown = [line[:columns] for line in text.splitlines()[: max(1, lines - 1)]]
    return _HOME + f"{_CLEAR_LINE}\n".join(shown) + _CLEAR_LINE + _CLEAR_REST


def _frame(text: str, output: TextIO) -> str:
    size = os.get_terminal_size(output.fileno())
    # A pseudo-terminal that nobody gave a size says 0.
    return draw(text, size.columns or 80, size.lines or 24)


def _leave(_number: int, _where: FrameType | None) -> None:
    sys.exit(0)
