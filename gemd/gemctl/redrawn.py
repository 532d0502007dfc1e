"""A line on a terminal that is drawn over again and again, as for a bar.

Rules: nothing is drawn where standard error is no terminal, nor more than ten times a second; the line is cleared at
the end, so that what follows stands alone.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Self

INTERVAL = 0.1  # seconds between two drawings
LONGEST_BAR = 40
_CLEAR = "\r\x1b[K"


class RedrawnLine:
    """A context manager. Nothing is drawn unless it `is_wanted`."""

    def __init__(self, *, is_wanted: bool = True) -> None:
        self.is_shown = is_wanted and sys.stderr.isatty()
        self._is_drawn = False
        self._next = self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            self._write("")

    def draw(self, write: Callable[[float, int], str]) -> None:
        """Draw what `write` makes of the seconds since the begin and of the number of columns, if it is time to."""
        now = time.monotonic()
        if self.is_shown and now >= self._next:
            self._next = now + INTERVAL
            self._is_drawn = True
            self._write(write(now - self._begun, _count_columns()))

    def _write(self, text: str) -> None:
        sys.stderr.write(_CLEAR + text)
        sys.stderr.flush()


def fill_bar(done: int, known: int, width: int) -> str:
    """ "[#######-------]", where `width` characters stand for all that is known of."""
    full = width * min(done, known) // max(known, 1)
    return f"[{'#' * full}{'-' * (width - full)}]"


def _count_columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
