"""What the master asks of the kernel, as one collaborator: a test gives it a scripted one instead.

Rule: between fork and a child's own signal set-up no signal is delivered, so that none is lost or handled by
the wrong process.
"""

import contextlib
import gc
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from gemd.exit_codes import ExitCode
from gemd.system.listener import Listener
from gemd.system.script import adopt_orphans, kill_orphans
from gemd.system.signals import SignalQueue

MASTER_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class Kernel(Protocol):
    """Processes, signals and time."""

    def spawn(self, nr: int) -> int:
        """Fork a worker for slot `nr`; return its pid. Raises OSError."""

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a child; nothing happens if it has just ended."""

    def reap(self) -> list[tuple[int, int]]:
        """The children that have ended, each with its exit code, or minus the signal that killed it."""

    def kill_orphans(self, workers: list[int]) -> None:
        """End the scripts of workers that are gone; `workers` are those alive."""

    def stop_listening(self) -> None:
        """Close the master's listeners, so that nobody waits at a door that no worker opens."""

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""

    def sleep(self, seconds: float) -> list[signal.Signals]:
        """Wait for signals, at most `seconds`; return those that came."""


class ForkingKernel:
    """The real one. `work` is run in each child with its slot and the lifeline, and returns the exit code."""

    def __init__(self, work: Callable[[int, int], ExitCode], listeners: Sequence[Listener]) -> None:
        self._work = work
        self._listeners = listeners
        self._signals = SignalQueue(MASTER_SIGNALS)
        self._lifeline, self._lifeline_end = os.pipe2(os.O_CLOEXEC)
        adopt_orphans()
        # The collector must not touch, and so copy, the pages that all processes share.
        gc.collect()
        gc.freeze()

    def spawn(self, nr: int) -> int:
        """Fork a worker for slot `nr`; return its pid. Raises OSError."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker(nr)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _become_worker(self, nr: int) -> None:
        """Runs in the worker; ends the process."""
        code = ExitCode.INTERNAL
        try:
            os.close(self._lifeline_end)
            self._signals.close()
            code = self._work(nr, self._lifeline)
        finally:
            os._exit(code)

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a child; nothing happens if it has just ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def reap(self) -> list[tuple[int, int]]:
        """The children that have ended, each with its exit code, or minus the signal that killed it."""
        ended: list[tuple[int, int]] = []
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                ended.append((pid, os.waitstatus_to_exitcode(status)))
        return ended

    def kill_orphans(self, workers: list[int]) -> None:
        """End the scripts of workers that are gone; `workers` are those alive."""
        kill_orphans(keep=workers)

    def stop_listening(self) -> None:
        """Close the master's listeners, so that nobody waits at a door that no worker opens."""
        for listener in self._listeners:
            listener.close()

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> list[signal.Signals]:
        """Wait for signals, at most `seconds`; return those that came."""
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
        return self._signals.take()
