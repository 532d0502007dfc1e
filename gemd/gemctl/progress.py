"""A bar on a terminal that shows how far something is.

Rules: nothing is drawn where standard error is no terminal, nor for what is sent before anybody could look; the line is
cleared at the end, so that what follows stands alone.
"""

import os
import sys
import time

from gemd.protocol.quantities import format_size

_INTERVAL = 0.1  # seconds between two drawings
_SMALL = 64 * 1024  # bytes
_CLEAR = "\r\x1b[K"
_LONGEST_BAR = 40
_MARK = "<=>"  # what wanders where nobody knows how much is to come


class ProgressBar:
    """A context manager; it is called with the number of bytes that are done. `size` is None where nobody knows it."""

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._is_shown = (size is None or size > _SMALL) and sys.stderr.isatty()
        self._is_drawn = False
        self._next = self._begun = time.monotonic()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            self._write(_CLEAR)

    def __call__(self, done: int) -> None:
        """Draw the bar, if it is time to."""
        if not self._is_shown or (self._size is None and done <= _SMALL):
            return
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            self._is_drawn = True
            self._write(_CLEAR + draw_bar(done, self._size, now - self._begun, _columns()))

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def draw_bar(done: int, size: int | None, seconds: float, columns: int) -> str:
    """ "[#######-------] 50 %, 1.5 MiB of 3.0 MiB, 512.0 KiB/s", in less than `columns`; without a size
    "[    <=>       ] 1.5 MiB, 512.0 KiB/s", which moves as time goes on."""
    speed = f", {format_size(int(done / seconds))}/s" if seconds > 0 else ""
    share = "" if size is None else f"{100 * done // size} %, "
    whole = "" if size is None else f" of {format_size(size)}"
    text = f"{share}{format_size(done)}{whole}{speed}"
    width = min(_LONGEST_BAR, columns - len(text) - 4)
    if width < len(_MARK):
        return text[: columns - 1]
    if size is None:
        way = width - len(_MARK)
        at = way - abs(way - int(seconds / _INTERVAL) % (2 * way or 1))
        return f"[{(' ' * at + _MARK).ljust(width)}] {text}"
    full = width * done // size
    return f"[{'#' * full}{'-' * (width - full)}] {text}"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
