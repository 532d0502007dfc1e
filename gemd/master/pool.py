"""What is done with workers: fork, reap, drain, kill. `Workers` keeps the books, this acts on them.

Rule: what a worker shows in its row of the scoreboard is only compared, never relied on.
"""

import signal
from collections.abc import Iterable, Iterator, Mapping

from gemd.config.settings import Service
from gemd.master.deaths import describe_work
from gemd.master.host_processes import HostProcesses
from gemd.master.process import ProcessControl
from gemd.master.recycle import draw_quota, why_recycle
from gemd.master.workers import State, Worker, Workers
from gemd.shared.counts import HostSlots, Sums
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Row, Scoreboard
from gemd.system.log import error_log


class Pool:
    """The workers of all generations; `workers` has who is alive, `hosts` the processes beside them."""

    def __init__(self, processes: ProcessControl, scoreboard: Scoreboard) -> None:
        self.workers = Workers(scoreboard.size)
        self._processes = processes
        self._scoreboard = scoreboard
        self.hosts = HostProcesses(processes)
        self._ended: list[tuple[int, int]] = []  # and still on the books

    def row(self, worker: Worker) -> Row:
        """What the worker shows; also of one that was reaped, until another has its row."""
        return self._scoreboard.row(worker.row)

    def sum_up(self, slots: HostSlots) -> Sums:
        """What all workers have counted that ever were."""
        return self._scoreboard.sum_up(slots)

    def reap(self, now: float) -> Iterator[tuple[Worker, int]]:
        """Take those that have ended off the books, one after the other: each with its exit code, or minus the signal
        that killed it. Then end the scripts that they left."""
        self._ended += self._processes.reap()
        if not self._ended:
            return
        while self._ended:  # a fault meanwhile leaves the others to the next step
            pid, code = self._ended.pop(0)
            worker = self.workers.find(pid)
            if worker is not None:
                self.workers.remove(worker, now, served=self.row(worker).last_tick is not None)
                self.row(worker).clients.clear()  # whose connections have ended with it
                yield worker, code
        self._processes.kill_orphans(self.workers.pids)

    def mark_ready(self) -> None:
        """Note who has begun to serve, and have those drain whose place is taken."""
        for worker in self.workers.all(State.STARTING):
            if self.row(worker).last_tick is not None:
                worker.state = State.SERVING
        for worker in self.workers.superseded():
            self.drain(worker)

    def serves(self, generation: Generation) -> bool:
        """Whether somebody serves, and what that needs beside it is ready."""
        return bool(self.workers.all(State.SERVING)) and self.hosts.find_unready(generation) is None

    def drain(self, worker: Worker) -> None:
        """Have a worker answer what it has, without a limit of time, and leave."""
        worker.state = State.DRAINING
        self._processes.kill(worker.pid, signal.SIGQUIT)

    def drain_all(self) -> None:
        """Have all of them drain."""
        for worker in self.workers.all():
            self.drain(worker)

    def drain_beyond(self, generation: int, slots: int) -> None:
        """Have those drain of a generation that has only so many slots by now."""
        for worker in self.workers.all(State.STARTING, State.SERVING, State.LEAVING):
            if worker.generation == generation and worker.nr >= slots:
                self.drain(worker)

    def end(self, worker: Worker) -> None:
        """Have a worker leave soon."""
        worker.state = State.DRAINING
        self._processes.kill(worker.pid, signal.SIGTERM)

    def recycle(self, service: Service) -> None:
        """Have others take the place of those that have done enough."""
        for worker in self.workers.all(State.SERVING):
            reason = why_recycle(worker, self.row(worker), service)
            if reason is not None:
                error_log.info("worker %d (pid %d) %s; another follows", worker.nr + 1, worker.pid, reason)
                worker.state = State.LEAVING

    def kill_late(self, now: float, timeout: float) -> None:
        """Kill those without a sign of life for `timeout` seconds."""
        ticks = {worker.row: self.row(worker).last_tick for worker in self.workers.all()}
        for worker in self.workers.late(now, ticks, timeout):
            what = (worker.nr + 1, worker.pid, timeout, describe_work(self.row(worker).under_way.read()))
            error_log.error("killing worker %d (pid %d): no sign of life for %.0f s%s", *what)
            self._processes.kill(worker.pid, signal.SIGKILL)

    def spawn_missing(self, wanted: Mapping[Generation, int], now: float) -> None:
        """Fork what lacks of so many workers of each generation, as far as may be by now."""
        for generation, count in wanted.items():
            for nr in self.workers.missing(generation.number, count, now):
                row = self.workers.next_row()
                if row is None or not self._spawn(generation, nr, row, now):
                    return

    def keep_hosts(self, generations: Iterable[Generation], now: float) -> None:
        """Have each of these generations its processes beside the workers, which need them as long as there are any."""
        self.hosts.step(generations, self.workers.pids, now)

    def kill_hosts(self, now: float) -> None:
        """Put an end to those of all generations: this process ends."""
        self.hosts.step((), (), now)  # for the last that they have said
        self._processes.kill_hosts()

    def _spawn(self, generation: Generation, nr: int, row: int, now: float) -> bool:
        self._scoreboard.row(row).clear()
        try:
            pid = self._processes.spawn(generation, nr, row)
        except OSError as error:
            delay = self.workers.delay_fork(now)
            error_log.error("can't fork worker %d: %s; next try in %.1f s", nr + 1, error.strerror, delay)
            return False
        self.workers.add(nr, pid, generation.number, now, draw_quota(generation.config.service.max_requests))
        error_log.debug("worker %d has pid %d", nr + 1, pid)
        return True
