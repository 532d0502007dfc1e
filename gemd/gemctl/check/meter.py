"""How far a check is, on a terminal.

Rules: nothing is drawn where standard error is no terminal; the line is cleared before anything else is written.
"""

import os
import sys
import time

from gemd.gemctl.terminal import escape

_INTERVAL = 0.1  # seconds between two drawings
_CLEAR = "\r\x1b[K"
_LONGEST_BAR = 40


class Meter:
    """A context manager; it is called with what is done, with all that is known of, and in words with what is next."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._is_drawn = False
        self._next = 0.0

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            self._write(_CLEAR)

    def __call__(self, done: int, known: int, what: str) -> None:
        """Draw the bar, if it is time to."""
        now = time.monotonic()
        if self._is_shown and now >= self._next:
            self._next = now + _INTERVAL
            self._is_drawn = True
            self._write(_CLEAR + draw_meter(done, known, escape(what), _columns()))

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def draw_meter(done: int, known: int, what: str, columns: int) -> str:
    """ "[#######-------] 20 of 40, /a/page.gmi", in less than `columns`."""
    text = f"{done} of {known}, {what}"
    width = min(_LONGEST_BAR, columns // 3)
    full = width * min(done, known) // max(known, 1)
    return f"[{'#' * full}{'-' * (width - full)}] {text}"[: columns - 1]


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
