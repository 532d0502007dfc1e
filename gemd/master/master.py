"""The master: keeps the workers alive, and ends with them.

Rules: one step is reap, obey, change generations, kill the late, fill the slots, sleep; it never reads a byte from a
client; an error that can be logged does not end it. What it can be told is in two tables at the end.
"""

import signal

from gemd.exit_codes import ExitCode
from gemd.master.control import Command
from gemd.master.deaths import Deaths
from gemd.master.notices import Notices
from gemd.master.orders import STAYING, Order
from gemd.master.pool import Pool
from gemd.master.process import ProcessControl
from gemd.master.reload import Reload
from gemd.master.reopening import Reopening
from gemd.master.shutdown import Shutdown
from gemd.master.status import Snapshot, Totals, describe, summarise, take_snapshot
from gemd.master.succession import Role, Succession
from gemd.master.workers import State, Worker
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Scoreboard
from gemd.system.log import error_log

MAX_SLOTS = 512
_STEP_INTERVAL = 1.0  # seconds at most between two looks at the workers
_CHANGE_INTERVAL = 0.02  # seconds between two looks while somebody starts
_FAULT_PAUSE = 1.0


class Master:
    """Supervises the workers of a generation. `exit_code` is set when there is nothing left to do."""

    def __init__(
        self, processes: ProcessControl, notices: Notices, scoreboard: Scoreboard, generation: Generation
    ) -> None:
        self.exit_code: ExitCode | None = None
        self.generation = generation
        self.slots = generation.config.workers
        self.pool = Pool(processes, scoreboard)
        self.workers = self.pool.workers
        self.reload = Reload(processes, notices, self.pool)
        self.succession = Succession(notices)
        self.reopening = Reopening(processes, notices, self.succession.note_reopening)
        self.shutdown = Shutdown(processes, self.workers)
        self.totals = Totals(processes.monotonic())
        self.deaths = Deaths(processes)
        self._processes = processes
        self._notices = notices
        self._signals: list[signal.Signals] = []

    @property
    def role(self) -> Role:
        """What this master is at the moment."""
        return self.succession.role

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
        self.deaths.look(now)
        for worker, code in self.pool.reap(now):
            self._note_end(worker, code, now)
        signals, self._signals = self._signals, []
        for number in signals:
            self._obey(number, now)
        for command in self._notices.commands():
            self._answer(command, now)
        self.pool.kill_late(now, self.generation.config.timeouts.worker)
        self.reopening.step(self.generation, now)
        self.pool.keep_hosts(self._wanted(), now)
        if not self.shutdown.is_begun:
            self._change(now)
            self.pool.spawn_missing(self._wanted(), now)
        if self.exit_code is None and self.shutdown.is_begun and self.shutdown.step(now):
            self._end(self.shutdown.code)
        snapshot = self.look(now)
        self._notices.report(summarise(snapshot), is_alive=snapshot.serving > 0)
        if self.exit_code is None:
            self.pool.keep_hosts(self._wanted(), now)
            self._sleep(now)

    def _note_end(self, worker: Worker, code: int, now: float) -> None:
        """A worker has ended; `code` is minus the signal that killed it, if one did."""
        self.totals.keep(self.pool.row(worker).figures)
        if self.shutdown.is_begun or (worker.state is State.DRAINING and code == ExitCode.OK):
            return
        cause = self.deaths.report(worker, code, self.pool.row(worker).under_way.read(), now)
        self.totals.deaths += 1
        if self.reload.concerns(worker):
            self.reload.note_end(worker, self.generation, cause)
        elif self.role is Role.STARTING and code in (ExitCode.PRIVILEGES, ExitCode.APPLICATION):
            self._begin_end(ExitCode(code), now, reason=f"a worker {cause}")
        elif self.role is Role.STARTING and self.workers.are_hopeless(self.slots):
            error_log.error("%d workers in a row ended before they served; giving up", self.workers.early_deaths)
            self._begin_end(ExitCode.WORKERS, now, reason=f"the workers end before they serve; the last {cause}")

    # What is asked

    def _obey(self, number: signal.Signals, now: float) -> None:
        order = SIGNALS.get(number)
        if order is None:
            error_log.warning("%s has no meaning here: nothing is done", number.name)
        else:
            order.give(self, self.role, number.name, None, now)

    def _answer(self, command: Command, now: float) -> None:
        order = COMMANDS.get(command.name)
        if order is None:
            error_log.info("gemctl: unknown command %.40r: nothing is done", command.name)
            command.fail(f"unknown command; there are {', '.join(COMMANDS)}")
        else:
            order.give(self, self.role, "gemctl", command, now)

    def _show_status(self, command: Command | None, now: float) -> None:
        if command is not None:
            command.succeed(status=describe(self.look(now), self.pool, self.generation))

    def _reload(self, command: Command | None, _now: float) -> None:
        self.reload.ask(command)

    def _upgrade(self, command: Command | None, now: float) -> None:
        self.reload.put_off()  # the successor reads it all itself
        self.succession.begin(self.generation, now, command)

    def _reopen(self, command: Command | None, _now: float) -> None:
        self.reopening.ask(command)
        if self.role is not Role.STARTING:
            self._notices.reopen_predecessor()

    def _stop(self, command: Command | None, now: float) -> None:
        if command is not None:
            command.accept("stopping")
        self._begin_end(ExitCode.OK, now)

    def _stop_without_limit(self, _command: Command | None, now: float) -> None:
        self._begin_end(ExitCode.OK, now, is_limited=False)

    def _resize(self, by: int) -> None:
        self.slots = min(MAX_SLOTS, max(1, self.slots + by))
        self.workers.reset_backoff()
        error_log.info("%d workers from now on", self.slots)
        self.pool.drain_beyond(self.generation.number, self.slots)

    # Changes of role and generation

    def _change(self, now: float) -> None:
        self.pool.mark_ready()
        if self.role is Role.STARTING and self.pool.serves(self.generation):
            self.succession.become(Role.SERVING)
            self._notices.announce()
        elif self.role is Role.STARTING and (failure := self.pool.hosts.find_failure(self.generation)) is not None:
            self._begin_end(ExitCode.APPLICATION, now, reason=failure)
            return
        if self.pool.hosts.take_change():
            self.reload.ask()
        former_role = self.role
        if self.succession.step(now):
            self._begin_end(ExitCode.OK, now)
        if self.role is Role.RETIRED:
            if former_role is not Role.RETIRED:
                self.pool.drain_all()
            is_last = not len(self.workers) and not self._notices.has_predecessor()  # which would end with this one
            if is_last and self.shutdown.end_hosts(now):
                self._end(ExitCode.OK)
            return
        if former_role is Role.RETIRED:
            self.workers.reset_backoff()
        former = self.generation
        if self.role is not Role.UPGRADING:
            self.generation = self.reload.step(former, now)
        if self.generation is not former:
            self.slots = self.generation.config.workers
        self.pool.recycle(self.generation.config.service)

    def _begin_end(self, code: ExitCode, now: float, *, is_limited: bool = True, reason: str = "") -> None:
        """Have all workers end, within the configured time if that `is_limited`; `reason` is why they never served."""
        if not self.shutdown.is_begun:
            self.reload.put_off()
            self._notices.announce_stop(self.generation, reason)
            self.succession.end()
        self.shutdown.begin(code, now, self.generation.config.timeouts.stop if is_limited else None)

    def _end(self, code: ExitCode | None) -> None:
        self.exit_code = code
        self.pool.kill_hosts(self._processes.monotonic())
        self._notices.close(is_succeeded=self.role is Role.RETIRED)

    def _wanted(self) -> dict[Generation, int]:
        """How many workers each generation should have: none before what they need beside them is ready."""
        if self.role is Role.RETIRED or (self.shutdown.is_begun and not len(self.workers)):
            return {}
        wanted = {self.generation: self.slots}
        if self.reload.next is not None:
            wanted[self.reload.next] = self.reload.next.config.workers
        hosts = self.pool.hosts
        return {one: count if hosts.find_unready(one) is None else 0 for one, count in wanted.items()}

    def look(self, now: float) -> Snapshot:
        """How things are."""
        return take_snapshot(self.role, self.generation, self.slots, self.pool, self.reload, self.totals, now)

    def _sleep(self, now: float) -> None:
        if self.shutdown.is_begun:
            wait = self.shutdown.until_kill(now)
        else:
            counts = {generation.number: count for generation, count in self._wanted().items()}
            wait = self.workers.until_spawn(counts, now)
            if self.workers.all(State.STARTING) or self.role is Role.UPGRADING:
                wait = _CHANGE_INTERVAL if wait is None else min(wait, _CHANGE_INTERVAL)
        hosts = max(0.0, self.pool.hosts.start_at - now)
        seconds = min(_STEP_INTERVAL, hosts) if wait is None else min(_STEP_INTERVAL, hosts, wait)
        self.workers.sleep_until(now + seconds)
        self._signals += self._processes.sleep(seconds)


_RELOAD = Order(Master._reload, STAYING, failure="not reloaded")
_UPGRADE = Order(Master._upgrade, frozenset({Role.SERVING}), failure="not upgraded")
_REOPEN = Order(Master._reopen)
_STOP = Order(Master._stop, intention="stopping")

SIGNALS: dict[signal.Signals, Order[Master]] = {
    signal.SIGTERM: _STOP,
    signal.SIGINT: _STOP,
    signal.SIGQUIT: Order(Master._stop_without_limit, intention="stopping when all is answered"),
    signal.SIGCHLD: Order(lambda *_: None),  # each step reaps, and this one has begun with it
    signal.SIGHUP: _RELOAD,
    signal.SIGUSR1: _REOPEN,
    signal.SIGUSR2: _UPGRADE,
    signal.SIGTTIN: Order(lambda master, *_: master._resize(1), STAYING, failure="not one worker more"),
    signal.SIGTTOU: Order(lambda master, *_: master._resize(-1), STAYING, failure="not one worker fewer"),
}
COMMANDS: dict[str, Order[Master]] = {
    "status": Order(Master._show_status),
    "reload": _RELOAD,
    "reopen": _REOPEN,
    "upgrade": _UPGRADE,
    "stop": _STOP,
}
