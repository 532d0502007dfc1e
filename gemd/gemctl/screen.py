"""A terminal's screen that is drawn on again and again.

Rules: it is a screen of its own, so that the terminal is as it was however this ends, and while it is stopped by
Ctrl-Z; nothing scrolls, and what has no room is cut off.
"""

import os
import signal
from typing import TextIO

from gemd.system.deadline import Deadline

_ENTER = "\x1b[?1049h\x1b[?25l"  # another screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_CLEAR_LINE = "\x1b[K"
_CLEAR_REST = "\x1b[J"
_HEEDED = {signal.SIGWINCH, signal.SIGTSTP}  # blocked, so that they wait until they are taken
_DUMB = ("", "dumb", "unknown")  # terminals that know none of these, or may not


def can_draw(output: TextIO) -> bool:
    """Whether this is a terminal that knows more than lines."""
    return output.isatty() and os.environ.get("TERM", "") not in _DUMB


class Screen:
    """A context manager."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def __enter__(self) -> "Screen":
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        self._write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_LEAVE)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)

    def draw(self, text: str) -> None:
        """Draw over what is there."""
        columns, lines = self._size()
        shown = [line[:columns] for line in text.splitlines()[: max(1, lines)]]
        self._write(_HOME + f"{_CLEAR_LINE}\r\n".join(shown) + _CLEAR_LINE + _CLEAR_REST)

    @property
    def columns(self) -> int:
        """How many there are now."""
        return self._size()[0]

    def wait(self, deadline: Deadline) -> bool:
        """Wait until then, or until there is something to draw anew: the terminal has another size, or is ours again.
        Whether there is."""
        heard = signal.sigtimedwait(_HEEDED, deadline.remaining())
        if heard is not None and heard.si_signo == signal.SIGTSTP:
            self._write(_LEAVE)
            os.kill(os.getpid(), signal.SIGSTOP)
            self._write(_ENTER)  # SIGCONT has come
        return heard is not None

    def _size(self) -> tuple[int, int]:
        size = os.get_terminal_size(self._output.fileno())
        # A pseudo-terminal that nobody gave a size says 0.
        return size.columns or 80, size.lines or 24

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()
