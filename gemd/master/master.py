"""The master: keeps the workers alive, and ends with them.

Rules: one step is reap, obey, change generations, kill the late, fill the slots, sleep; it never reads a byte from a
client; an error that can be logged does not end it.
"""

import signal

from gemd.exit_codes import ExitCode
from gemd.master.control import Command
from gemd.master.notices import Notices, reopen
from gemd.master.process import ProcessControl
from gemd.master.recycle import draw_quota, why_recycle
from gemd.master.reload import Reload
from gemd.master.status import Totals, describe, summarise
from gemd.master.succession import Turn, Upgrade
from gemd.master.workers import State, Worker, Workers
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Scoreboard
from gemd.system.log import error_log

MAX_SLOTS = 512
_STEP_INTERVAL = 1.0  # seconds at most between two looks at the workers
_CHANGE_INTERVAL = 0.02  # seconds between two looks while somebody starts
_FAULT_PAUSE = 1.0
_MIN_DEATHS = 3  # of workers before the first one serves, that say they never will
_MAX_FORK_DELAY = 2.0  # a shortage is over as suddenly as it came
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_NAMES = {signal.SIGTERM: "stopping", signal.SIGINT: "stopping", signal.SIGQUIT: "stopping when all is answered"}


class Master:
    """Supervises the workers of a generation. `exit_code` is set when there is nothing left to do."""

    def __init__(
        self, processes: ProcessControl, notices: Notices, scoreboard: Scoreboard, generation: Generation
    ) -> None:
        self.exit_code: ExitCode | None = None
        self.generation = generation
        self.slots = generation.config.workers
        self.workers = Workers(scoreboard.size)
        self.reload = Reload(processes, notices, self.workers)
        self.upgrade = Upgrade(notices)
        self.totals = Totals(scoreboard, processes.monotonic())
        self.is_stopping = False
        self._processes = processes
        self._notices = notices
        self._scoreboard = scoreboard
        self._is_announced = False
        self._is_draining = False  # a successor serves
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
                self._signals += self._processes.sleep(_FAULT_PAUSE)
        return self.exit_code

    def step(self) -> None:
        """One look at everything, then sleep until something happens or a second has passed."""
        now = self._processes.monotonic()
        self.workers.awake(now)
        self._reap(now)
        signals, self._signals = self._signals, []
        for number in signals:
            self._obey(number, now)
        for command in self._notices.commands():
            self._answer(command, now)
        self._kill_late(now)
        if self.is_stopping:
            self._finish_stop(now)
        else:
            self._change(now)
            self._spawn_missing(now)
        self._notices.report(summarise(self, now), is_alive=bool(self.workers.all(State.SERVING, State.LEAVING)))
        if self.exit_code is None:
            self._sleep(now)

    # Who ended

    def _reap(self, now: float) -> None:
        ended = self._processes.reap()
        for pid, code in ended:
            worker = self.workers.find(pid)
            if worker is not None:
                self._note_end(worker, code, now)
        if ended:
            self._processes.kill_orphans(self.workers.pids)

    def _note_end(self, worker: Worker, code: int, now: float) -> None:
        served = self._scoreboard.row(worker.row).last_tick is not None
        self.totals.keep(worker)
        self.workers.remove(worker, now, served=served)
        if self.is_stopping or (worker.state is State.DRAINING and code == ExitCode.OK):
            return
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        error_log.error(
            "worker %d (pid %d) ended with %s after %.1f s", worker.nr + 1, worker.pid, cause, now - worker.born
        )
        self.totals.deaths += 1
        if self.reload.next is not None and worker.generation == self.reload.next.number:
            if worker.state is not State.DRAINING:
                self.workers.reset_backoff()
                self.reload.fail(self.generation, f"a new worker ended with {cause}")
        elif not self._is_announced and code in (ExitCode.PRIVILEGES, ExitCode.APPLICATION):
            self._stop(ExitCode(code), signal.SIGTERM, now)
        elif not self._is_announced and self.workers.early_deaths >= max(_MIN_DEATHS, self.slots):
            error_log.error("%d workers in a row ended before they served; giving up", self.workers.early_deaths)
            self._stop(ExitCode.WORKERS, signal.SIGTERM, now)

    # What is asked

    def _obey(self, number: signal.Signals, now: float) -> None:
        if number in _STOP_SIGNALS:
            error_log.info("%s: %s", number.name, _NAMES[number])
            self._stop(ExitCode.OK, number, now)
        elif number == signal.SIGUSR1:
            self._reopen()
        elif self.is_stopping or self._is_draining or number == signal.SIGCHLD:
            return
        elif number == signal.SIGHUP:
            self.reload.ask()
        elif number == signal.SIGUSR2:
            self.upgrade.begin(self.generation, now)
        else:
            self._resize(1 if number == signal.SIGTTIN else -1)

    def _answer(self, command: Command, now: float) -> None:
        if command.name == "status":
            command.succeed(status=describe(self, now))
        elif command.name == "reopen":
            reason = self._reopen()
            command.succeed("the log files are open anew") if reason is None else command.fail(reason)
        elif command.name == "stop":
            error_log.info("gemctl: stopping")
            command.accept("stopping")
            self._stop(ExitCode.OK, signal.SIGTERM, now)
        elif self.is_stopping:
            command.fail("gemd is stopping")
        elif command.name == "reload":
            self.reload.ask(command)
        else:
            self.upgrade.begin(self.generation, now, command)

    def _reopen(self) -> str | None:
        reason = reopen(self._notices, self.generation, self._processes.hand_out)
        if reason is None:
            self.upgrade.note_reopening()
            error_log.info("the log files are open anew")
        else:
            error_log.error("the log files stay as they are: %s", reason)
        if self._is_announced:
            self._notices.reopen_predecessor()
        return reason

    def _resize(self, difference: int) -> None:
        self.slots = min(MAX_SLOTS, max(1, self.slots + difference))
        self.workers.reset_backoff()
        error_log.info("%d workers from now on", self.slots)
        for worker in self.workers.all(State.STARTING, State.SERVING, State.LEAVING):
            if worker.generation == self.generation.number and worker.nr >= self.slots:
                self._drain(worker)

    # Changes of generation

    def _change(self, now: float) -> None:
        self._mark_ready()
        if not self._is_announced and self.workers.all(State.SERVING):
            self._is_announced = self.upgrade.is_allowed = True
            self._notices.announce()
        self._take_turn(self.upgrade.step(now), now)
        if self._is_draining:
            if not len(self.workers) and not self._notices.has_predecessor():  # which would be told to end with this
                self._end(ExitCode.OK)
            return
        former = self.generation
        if self.upgrade.pid is None:
            self.generation = self.reload.step(former, now)
        if self.generation is not former:
            self.slots = self.generation.config.workers
        self._recycle()

    def _take_turn(self, turn: Turn, now: float) -> None:
        if turn is Turn.DRAIN:
            self._is_draining = True
            for worker in self.workers.all():
                self._drain(worker)
        elif turn is Turn.SERVE:
            self._is_draining = False
            self.workers.reset_backoff()
            self._notices.announce()
        elif turn is Turn.END:
            self._stop(ExitCode.OK, signal.SIGTERM, now)

    def _mark_ready(self) -> None:
        for worker in self.workers.all(State.STARTING):
            if self._scoreboard.row(worker.row).last_tick is not None:
                worker.state = State.SERVING
        for worker in self.workers.superseded():
            self._drain(worker)

    def _drain(self, worker: Worker) -> None:
        worker.state = State.DRAINING
        self._processes.kill(worker.pid, signal.SIGQUIT)

    def _recycle(self) -> None:
        for worker in self.workers.all(State.SERVING):
            reason = why_recycle(worker, self._scoreboard.row(worker.row), self.generation.config.service)
            if reason is not None:
                error_log.info("worker %d (pid %d) %s; another follows", worker.nr + 1, worker.pid, reason)
                worker.state = State.LEAVING

    # The end

    def _stop(self, code: ExitCode, number: signal.Signals, now: float) -> None:
        """Have all workers end; those that don't in time are killed, except after QUIT, which has no limit."""
        if not self.is_stopping:
            self._final_code = code
            self._notices.announce_stop(self.generation)
            self.upgrade.end()
        self.is_stopping = True
        if number != signal.SIGQUIT and self._kill_at is None:
            self._kill_at = now + self.generation.config.timeouts.stop
        for pid in self.workers.pids:
            self._processes.kill(pid, signal.SIGQUIT if number == signal.SIGQUIT else signal.SIGTERM)

    def _finish_stop(self, now: float) -> None:
        if not len(self.workers):
            self._end(self._final_code)
        elif self._kill_at is not None and now >= self._kill_at:
            for pid in self.workers.pids:
                timeout = self.generation.config.timeouts.stop
                error_log.error("killing pid %d, which did not stop within %.0f s", pid, timeout)
                self._processes.kill(pid, signal.SIGKILL)
            self._kill_at = now + _STEP_INTERVAL

    def _end(self, code: ExitCode) -> None:
        self.exit_code = code
        self._notices.close(is_succeeded=self._is_draining)

    # Every step

    def _kill_late(self, now: float) -> None:
        ticks = {worker.row: self._scoreboard.row(worker.row).last_tick for worker in self.workers.all()}
        timeout = self.generation.config.timeouts.worker
        for worker in self.workers.late(now, ticks, timeout):
            error_log.error(
                "killing worker %d (pid %d): no sign of life for %.0f s", worker.nr + 1, worker.pid, timeout
            )
            self._processes.kill(worker.pid, signal.SIGKILL)

    def _wanted(self) -> dict[Generation, int]:
        """How many workers each generation should have."""
        if self._is_draining:
            return {}
        wanted = {self.generation: self.slots}
        if self.reload.next is not None:
            wanted[self.reload.next] = self.reload.next.config.workers
        return wanted

    def _spawn_missing(self, now: float) -> None:
        for generation, count in self._wanted().items():
            for nr in self.workers.missing(generation.number, count, now):
                row = self.workers.next_row()
                if row is None or not self._spawn(generation, nr, row, now):
                    return

    def _spawn(self, generation: Generation, nr: int, row: int, now: float) -> bool:
        self._scoreboard.row(row).clear()
        try:
            pid = self._processes.spawn(generation, nr, row)
        except OSError as error:
            delay = self.workers.delay_spawn(now, _MAX_FORK_DELAY)
            error_log.error("can't fork worker %d: %s; next try in %.1f s", nr + 1, error.strerror, delay)
            return False
        self.workers.add(nr, pid, generation.number, now, draw_quota(generation.config.service.max_requests))
        error_log.debug("worker %d has pid %d", nr + 1, pid)
        return True

    def _sleep(self, now: float) -> None:
        seconds = _STEP_INTERVAL
        if self.is_stopping:
            seconds = min(seconds, max(0.0, (self._kill_at or now + _STEP_INTERVAL) - now))
        else:
            counts = {generation.number: count for generation, count in self._wanted().items()}
            seconds = min(seconds, self.workers.until_spawn(counts, now) or _STEP_INTERVAL)
            if self.workers.all(State.STARTING) or (self.upgrade.pid is not None and not self._is_draining):
                seconds = min(seconds, _CHANGE_INTERVAL)
        self.workers.sleep_until(now + seconds)
        self._signals += self._processes.sleep(seconds)
