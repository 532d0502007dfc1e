"""The end: workers are told to leave, those that don't in time are killed, and the master leaves after the last.

Rules: the first reason to end gives the exit code; a limit of time that was set is never moved.
"""

import signal

from gemd.exit_codes import ExitCode
from gemd.master.process import ProcessControl
from gemd.master.workers import Workers
from gemd.system.log import error_log

_KILL_INTERVAL = 1.0  # seconds between two attempts to kill those that are late
_HOST_TIMEOUT = 7.0  # seconds for the processes beside the workers, which need a little less at most
_MIN_HOST_TIMEOUT = 1.0  # of these, where the time of all is over


class Shutdown:
    """`code` is what the master ends with; None until it has to end."""

    def __init__(self, processes: ProcessControl, workers: Workers) -> None:
        self.code: ExitCode | None = None
        self._processes = processes
        self._workers = workers
        self._timeout = 0.0
        self._kill_at: float | None = None  # None: there is no limit
        self._hosts_told_at: float | None = None

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

    def end_hosts(self, now: float) -> bool:
        """Have the processes beside the workers end, of which there are none any more; whether they have, or have had
        their time: for what an application does at its end."""
        if self._hosts_told_at is None:
            self._hosts_told_at = now
            self._processes.tell_hosts()
        limit = self._hosts_told_at + _HOST_TIMEOUT
        if self._kill_at is not None:
            limit = min(limit, max(self._kill_at, self._hosts_told_at + _MIN_HOST_TIMEOUT))
        return now >= limit or not self._processes.has_hosts()

    def step(self, now: float) -> bool:
        """Kill those that are late; whether nobody is left."""
        if not len(self._workers):
            return self.end_hosts(now)
        if self._kill_at is not None and now >= self._kill_at:
            for pid in self._workers.pids:
                error_log.error("killing pid %d, which did not stop within %.0f s", pid, self._timeout)
                self._processes.kill(pid, signal.SIGKILL)
            self._kill_at = now + _KILL_INTERVAL
        return False

    def until_kill(self, now: float) -> float | None:
        """Seconds until workers are to be killed; None without a limit."""
        return None if self._kill_at is None else max(0.0, self._kill_at - now)
