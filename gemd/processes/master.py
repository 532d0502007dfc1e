"""The master: keeps the workers alive, and ends with them.

Rules: one step is reap, obey, kill the late, fill the slots, sleep; it never reads a byte from a client; an error that
can be logged does not end it. Run by `gemd.__main__`, or by a test with a scripted kernel.
"""

import signal

from gemd.exit_codes import ExitCode
from gemd.processes.children import Child, Children
from gemd.processes.kernel import Kernel
from gemd.processes.scoreboard import Scoreboard
from gemd.system.log import error_log

_STEP = 1.0  # seconds at most between two looks at the workers
_FAULT_PAUSE = 1.0
_NAMES = {signal.SIGTERM: "stopping", signal.SIGINT: "stopping", signal.SIGQUIT: "stopping when all is answered"}


class Master:
    """Supervises the workers of `count` slots. `exit_code` is set when there is nothing left to do."""

    def __init__(
        self, kernel: Kernel, scoreboard: Scoreboard, count: int, *, worker_timeout: float, stop_timeout: float
    ) -> None:
        self.exit_code: ExitCode | None = None
        self._kernel = kernel
        self._scoreboard = scoreboard
        self._children = Children(count)
        self._worker_timeout = worker_timeout
        self._stop_timeout = stop_timeout
        self._has_served = False
        self._is_stopping = False
        self._kill_at: float | None = None
        self._final_code = ExitCode.OK
        self._signals: list[signal.Signals] = []

    def run(self) -> ExitCode:
        """Supervise until told to stop; return the exit code."""
        while self.exit_code is None:
            try:
                self.step()
            except Exception:  # noqa: BLE001, the master step's boundary
                error_log.exception("a fault in the master, which goes on")
                self._signals += self._kernel.sleep(_FAULT_PAUSE)
        return self.exit_code

    def step(self) -> None:
        """One look at everything, then sleep until something happens or a second has passed."""
        now = self._kernel.monotonic()
        self._children.awake(now)
        self._reap(now)
        signals, self._signals = self._signals, []
        for number in signals:
            self._obey(number, now)
        if self._is_stopping:
            self._finish_stop(now)
        else:
            self._kill_late(now)
            self._spawn_missing(now)
        if self.exit_code is None:
            self._sleep(now)

    def _reap(self, now: float) -> None:
        ended = self._kernel.reap()
        for pid, code in ended:
            nr = self._children.slot_of(pid)
            if nr is None:
                continue
            served = self._scoreboard.row(nr).last_tick is not None
            self._has_served = self._has_served or served
            child = self._children.remove(pid, now, served=served)
            if child is not None and not self._is_stopping:
                self._mourn(child, code, now)
        if ended:
            self._kernel.kill_orphans(self._children.pids)

    def _mourn(self, child: Child, code: int, now: float) -> None:
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        error_log.error(
            "worker %d (pid %d) ended with %s after %.1f s", child.nr + 1, child.pid, cause, now - child.born
        )
        if not self._has_served and self._children.early_deaths >= 2 * self._children.count:
            error_log.error("%d workers in a row ended before they served; giving up", self._children.early_deaths)
            self._stop(ExitCode.WORKERS, signal.SIGTERM, now)

    def _obey(self, number: signal.Signals, now: float) -> None:
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            error_log.info("%s: %s", number.name, _NAMES[number])
            self._stop(ExitCode.OK, number, now)
        elif number != signal.SIGCHLD:
            error_log.warning("%s means nothing to gemd; a restart reads the configuration again", number.name)

    def _stop(self, code: ExitCode, number: signal.Signals, now: float) -> None:
        """Have all workers end; those that don't in time are killed, except after QUIT, which has no limit."""
        if not self._is_stopping:
            self._final_code = code
            self._kernel.stop_listening()
        self._is_stopping = True
        if number != signal.SIGQUIT and self._kill_at is None:
            self._kill_at = now + self._stop_timeout
        for pid in self._children.pids:
            self._kernel.kill(pid, signal.SIGQUIT if number == signal.SIGQUIT else signal.SIGTERM)

    def _finish_stop(self, now: float) -> None:
        if not len(self._children):
            self.exit_code = self._final_code
        elif self._kill_at is not None and now >= self._kill_at:
            for pid in self._children.pids:
                error_log.error("killing pid %d, which did not stop within %.0f s", pid, self._stop_timeout)
                self._kernel.kill(pid, signal.SIGKILL)
            self._kill_at = now + _STEP

    def _kill_late(self, now: float) -> None:
        ticks = {nr: self._scoreboard.row(nr).last_tick for nr in range(self._children.count)}
        self._has_served = self._has_served or any(tick is not None for tick in ticks.values())
        for child in self._children.late(now, ticks, self._worker_timeout):
            error_log.error(
                "killing worker %d (pid %d): no sign of life for %.0f s", child.nr + 1, child.pid, self._worker_timeout
            )
            self._kernel.kill(child.pid, signal.SIGKILL)

    def _spawn_missing(self, now: float) -> None:
        for nr in self._children.missing(now):
            self._scoreboard.row(nr).clear()
            try:
                pid = self._kernel.spawn(nr)
            except OSError as error:
                delay = self._children.delay_spawn(now)
                error_log.error("can't fork worker %d: %s; next try in %.1f s", nr + 1, error.strerror, delay)
                return
            self._children.add(nr, pid, now)
            error_log.debug("worker %d has pid %d", nr + 1, pid)

    def _sleep(self, now: float) -> None:
        seconds = _STEP
        if self._is_stopping:
            seconds = min(seconds, max(0.0, (self._kill_at or now + _STEP) - now))
        else:
            seconds = min(seconds, self._children.until_spawn(now) or _STEP)
        self._children.sleep_until(now + seconds)
        self._signals += self._kernel.sleep(seconds)
