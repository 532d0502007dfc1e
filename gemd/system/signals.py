"""Signals as data: the kernel's wakeup descriptor collects them, the loop takes them when it is ready.

Rule: no code runs in a signal handler. A storm of signals can fill the pipe; what is lost then is a repetition.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from types import FrameType


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Python calls this after it has written the signal's number to the wakeup descriptor."""


class SignalQueue:
    """The signals that came and were not taken yet. Made in the main thread."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._numbers = tuple(numbers)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)  # first: a handler without it would lose a signal
        for number in self._numbers:
            signal.signal(number, _ignore)

    def fileno(self) -> int:
        """Readable when a signal is waiting."""
        return self._reader

    def take(self) -> list[signal.Signals]:
        """All waiting signals in the order they came, each kind once."""
        raw = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._reader, 4096):
                raw += chunk
        return [signal.Signals(number) for number in dict.fromkeys(raw) if number in self._numbers]

    def close(self) -> None:
        """Forget the signals and restore their default actions. In a forked child too."""
        signal.set_wakeup_fd(-1)
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)
