"""The end: workers are told to leave, those that don't in time are killed, and the master leaves after the last.

Rules: the first reason to end gives the exit code; a limit of time that was set is never moved.
"""

import signal

from gemd.exit_codes import ExitCode
from gemd.master.process import ProcessControl
from gemd.master.workers import Workers
from gemd.system.log import error_log

_KILL_INTERVAL = 1.0  # seconds between two attempts to kill those that are late


class Shutdown:
    """`code` is what the master ends with; None until it has to end."""

    def __init__(self, processes: ProcessControl, workers: Workers) -> None:
        self.code: ExitCode | None = None
        self._processes = processes
        self._workers = workers
        self._timeout = 0.0
        self._kill_at: float | None = None  # None: there is no limit

    @property
    def is_begun(self) -> bool:
        """Whether the master has to end."""
        return self.code is not None

    def begin(self, code: ExitCode, now: float, timeout: float | None) -> None:
        """Tell all workers to leave within `timeout` seconds; None lets them answer all that they have."""
        if self.code is None:
            self.code = code
        if timeout is not None and self._kill_at is None:
            self._timeout, self._kill_at = timeout, now + timeout
        for pid in self._workers.pids:
            self._processes.kill(pid, signal.SIGQUIT if timeout is None else signal.SIGTERM)

    def step(self, now: float) -> bool:
        """Kill those that are late; whether nobody is left."""
        if not len(self._workers):
            return True
        if self._kill_at is not None and now >= self._kill_at:
            for pid in self._workers.pids:
                error_log.error("killing pid %d, which did not stop within %.0f s", pid, self._timeout)
                self._processes.kill(pid, signal.SIGKILL)
            self._kill_at = now + _KILL_INTERVAL
        return False

    def until_kill(self, now: float) -> float | None:
        """Seconds until workers are to be killed; None without a limit."""
        return None if self._kill_at is None else max(0.0, self._kill_at - now)
