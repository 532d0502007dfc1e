"""Signals as data: the kernel's wakeup descriptor collects them, the loop takes them when it is ready.

Rules: no code runs in a signal handler. A storm of signals can fill the pipe; what is lost then is a repetition. Who
can't obey yet blocks them, so that they wait; who is about to end ignores them, so that none is fatal.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from types import FrameType

# What reaches a whole group of processes, of a terminal or by name, is the master's matter. The others take it and do
# not ignore it, because what a script or an application starts would inherit that.
GROUP_SIGNALS = (
    *(signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGTTIN, signal.SIGTTOU),
)


def block_signals() -> None:
    """Have all signals wait from now on, for this process and what it starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def unblock_signals() -> None:
    """Have them delivered, and those first that came meanwhile."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def restore_signals() -> None:
    """Unblock them for a process that has no use for them: it ends by an interrupt without a traceback."""
    if callable(signal.getsignal(signal.SIGINT)):  # else it is ignored, as in a background job
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    unblock_signals()


def ignore_signals() -> None:
    """Ignore what had a handler, to the last instruction: Python restores the default actions as it ends, which are
    fatal mostly."""
    for number in signal.valid_signals() - {signal.SIGCHLD}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


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

    @property
    def descriptors(self) -> tuple[int, int]:
        """What it has open."""
        return self._reader, self._writer

    def take(self) -> list[signal.Signals]:
        """All waiting signals in the order they came, each kind once."""
        raw = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._reader, 4096):
                raw += chunk
        return [signal.Signals(number) for number in dict.fromkeys(raw) if number in self._numbers]

    def close(self) -> None:
        """Forget the signals and restore their default actions, by which those end this process that come meanwhile.

        In a forked child too, whose pipe is its parent's.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
