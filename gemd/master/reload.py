"""A reload: from one generation of workers to the next.

Rules: the new workers serve before the old are told to drain; if anything is wrong or takes too long, nothing has
changed; however often a reload is asked for while one is under way, one more follows it.
"""

from collections.abc import Callable

from gemd.master.control import Command
from gemd.master.notices import Notices
from gemd.master.pool import Pool
from gemd.master.process import ProcessControl
from gemd.master.report import FAULT, TaskError
from gemd.master.workers import State, Worker
from gemd.shared.generation import Generation
from gemd.system.log import error_log


class Reload:
    """What is under way, if anything: first a generation is loaded, then `next` is the one that is being started."""

    def __init__(self, processes: ProcessControl, notices: Notices, pool: Pool) -> None:
        self.next: Generation | None = None
        self.done = 0
        self.failed = 0
        self._processes = processes
        self._notices = notices
        self._pool = pool
        self._workers = pool.workers
        self._deadline = 0.0
        self._is_wanted = self._is_loading = False
        self._commands: list[Command] = []  # who waits for the reload that is under way
        self._later: list[Command] = []  # who waits for the one after it

    @property
    def is_under_way(self) -> bool:
        """Whether there is one."""
        return self._is_loading or self.next is not None

    def ask(self, command: Command | None = None) -> None:
        """A reload is wanted; `command` waits for its outcome."""
        self._is_wanted = True
        if command is not None:
            self._later.append(command)

    def step(self, current: Generation, now: float) -> Generation:
        """Begin, wait for or end a reload; the generation that serves from now on."""
        if self.next is not None:
            hosts, new = self._pool.hosts, self.next
            late = hosts.find_unready(new) or "the new workers"
            failure = hosts.find_failure(new)
            if failure is not None:
                self.fail(current, failure)
            elif hosts.find_unready(new) is None and self._workers.is_complete(new.number, new.config.workers):
                current = self._finish(current, new)
            elif now >= self._deadline:
                self.fail(current, f"{late} did not serve within {new.config.timeouts.start:g} s")
        if self._is_wanted and not self.is_under_way:
            self._begin(current, now)
        if self._is_loading:
            self._look(current, now)
        return current

    def _begin(self, current: Generation, now: float) -> None:
        self._is_wanted = False
        self._commands, self._later = self._later, []
        self._notices.announce_reload(is_over=False)
        self._is_loading = True
        self._try(current, lambda: self._notices.loading.begin(current, self._processes, now))

    def _look(self, current: Generation, now: float) -> None:
        """Whether the next generation is there, or will never be."""
        self._try(current, lambda: self._notices.loading.poll(now))
        if self.next is not None:
            self._is_loading = False
            self._deadline = now + self.next.config.timeouts.start
            self._workers.reset_backoff()
            self._processes.share_memory()

    def _try(self, current: Generation, step: Callable[[], Generation | None]) -> None:
        reasons: tuple[str, ...] = (FAULT,)
        try:
            self.next = step()
            reasons = ()
        except TaskError as error:
            reasons = error.lines
        finally:
            if reasons:
                self.fail(current, *reasons)

    def put_off(self) -> None:
        """Something else comes first: what is being loaded is loaded anew later, if there is a later. New workers that
        are being started are not concerned."""
        if not self._is_loading:
            return
        self._is_loading = False
        self._notices.loading.cancel()
        self._notices.announce_reload(is_over=True)
        self._is_wanted = True
        self._commands, self._later = [], self._commands + self._later

    def _finish(self, current: Generation, new: Generation) -> Generation:
        self.next = None
        self.done += 1
        self._notices.adopt(new, current)
        for worker in self._workers.all(State.STARTING, State.SERVING, State.LEAVING):
            if worker.generation != new.number or worker.nr >= new.config.workers:
                self._pool.drain(worker)
        self._notices.announce_reload(is_over=True)
        error_log.info("reloaded: generation %d serves with %d workers", new.number, new.config.workers)
        for command in self._commands:
            command.succeed(f"generation {new.number} serves with {new.config.workers} workers")
        self._commands = []
        return new

    def concerns(self, worker: Worker) -> bool:
        """Whether the worker is one of those that are being started."""
        return self.next is not None and worker.generation == self.next.number

    def note_end(self, worker: Worker, current: Generation, cause: str) -> None:
        """One of them has ended, which undoes the reload, unless it was told to."""
        if worker.state is not State.DRAINING:
            self._workers.reset_backoff()
            self.fail(current, f"a new worker {cause}")

    def fail(self, current: Generation, *reasons: str) -> None:
        """Go on as before."""
        failed, self.next = self.next, None
        self.failed += 1
        self._is_loading = False
        self._notices.loading.cancel()
        if failed is not None:
            self._notices.discard(failed, current)
            for worker in self._workers.all():
                if worker.generation == failed.number:
                    self._pool.end(worker)
        for reason in reasons:
            error_log.error("not reloaded: %s", reason)
        self._notices.announce_reload(is_over=True)
        for command in self._commands:
            command.fail(*reasons)
        self._commands = []
