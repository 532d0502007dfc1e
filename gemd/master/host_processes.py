"""Processes beside the workers, which all of them ask: script hosts, and applications in processes of their own. They
are kept alive while their generation has workers.

Rules: each is a fresh interpreter; it is asked for a sign of life, and killed when it gives none; one that has to leave
does so when another is ready; one of a generation that has been replaced ends by itself, with the last worker of that,
and all end with the master, which has no workers any more by then.
"""

import math
import os
import socket
import sys
from collections.abc import Iterable, Iterator

from gemd.exit_codes import ExitCode
from gemd.master.host_run import HostRun
from gemd.master.process import ProcessControl
from gemd.master.workers import YOUNG
from gemd.shared.generation import Generation
from gemd.shared.host_process import HostProcess, write_setup
from gemd.system.interpreter import interpreter_command
from gemd.system.log import error_log

_MIN_DELAY = 0.5  # seconds until the next one, after one that has died young
_MAX_DELAY = 30.0  # after several that have died before they were ready


class HostProcesses:
    """Those of all generations. `start_at` is when the next one is to be started that is waited for."""

    def __init__(self, processes: ProcessControl) -> None:
        self.start_at = math.inf
        self._processes = processes
        self._keepers: dict[HostProcess, _Keeper] = {}

    def step(self, generations: Iterable[Generation], pids: Iterable[int], now: float) -> None:
        """Start what these lack, and look after all. `pids` are the workers', which are not left by any of them."""
        wanted = {host: generation for generation in generations for host in generation.hosts}
        for host, generation in wanted.items():
            if host not in self._keepers:
                self._keepers[host] = _Keeper(host, generation, self._processes)
        self.start_at = math.inf
        for host, keeper in list(self._keepers.items()):
            if keeper.look(now, is_wanted=host in wanted):
                self._processes.kill_orphans(list(pids))
            if host in wanted:
                self.start_at = min(self.start_at, keeper.start(now))
            elif keeper.is_gone:
                del self._keepers[host]

    def take_change(self) -> bool:
        """Whether a file that one is made of has changed since this was asked last, and that is to be heeded."""
        changed = [generation for _, generation, run in self.all() if run.take_change()]
        return any(generation.config.service.auto_reload for generation in changed)

    def find_failure(self, generation: Generation) -> str | None:
        """Why one of those will not be: it has ended before it was ready."""
        keepers = [self._keepers[host] for host in generation.hosts if host.is_needed and host in self._keepers]
        return next((keeper.failure for keeper in keepers if keeper.failure is not None), None)

    def find_unready(self, generation: Generation) -> str | None:
        """One that has never been ready, though nobody is to serve before it is."""
        needed = (host for host in generation.hosts if host.is_needed)
        titles = (host.title for host in needed if host not in self._keepers or not self._keepers[host].was_ready)
        return next(titles, None)

    def all(self) -> Iterator[tuple[HostProcess, Generation, HostRun]]:
        """All that run, each with whom it runs for."""
        for host, keeper in self._keepers.items():
            for run in keeper.runs:
                yield host, keeper.generation, run


class _Keeper:
    """Keeps one alive. `failure` is why the last one has never been ready, until one is; `was_ready` says that one
    has been."""

    def __init__(self, host: HostProcess, generation: Generation, processes: ProcessControl) -> None:
        self.generation = generation
        self.runs: list[HostRun] = []  # the one that is to stay last, before it those that leave
        self.failure: str | None = None
        self.was_ready = False
        self._host = host
        self._processes = processes
        self._failures = 0
        self._start_at = 0.0

    @property
    def is_gone(self) -> bool:
        """Whether there is no process."""
        return not self.runs

    def start(self, now: float) -> float:
        """Start one where none is to stay, unless it is too early for the next; until when, if so."""
        if any(not run.wants_to_leave for run in self.runs):
            return math.inf
        if now < self._start_at:
            return self._start_at
        try:
            child = self._processes.spawn_host(
                self.generation, self._host.served, lambda channel, served: run_host(self._host, channel, served)
            )
        except OSError as error:
            self._put_off(now, None)
            error_log.error("can't fork %s: %s", self._host.title, error.strerror)
            return self._start_at
        self.runs.append(HostRun(self._host, child, self.generation.config.timeouts, now))
        return math.inf

    def _put_off(self, now: float, run: HostRun | None) -> None:
        """When the next one may be started: soon after one that has served, for what it served may have killed it."""
        if run is not None and run.is_ready:
            self._failures = 0
            self._start_at = now if now - run.born >= YOUNG else now + _MIN_DELAY
            return
        self._start_at = now + min(_MIN_DELAY * float(1 << self._failures), _MAX_DELAY)
        self._failures = min(self._failures + 1, 16)

    def look(self, now: float, *, is_wanted: bool) -> bool:
        """Hear what they say, kill those that are late, and have those leave in whose place another is ready; whether
        one has ended since the last look. What is wanted no more ends by itself."""
        has_ended = False
        for run in list(self.runs):
            if run.look(now):
                self.runs.remove(run)
                has_ended = True
                if is_wanted and not run.is_ending and run.code == ExitCode.OK:
                    error_log.warning("%s (pid %d) has ended, though nobody told it to", self._host.title, run.pid)
                self._note_end(run, now)
        staying = self.runs[-1] if self.runs and not self.runs[-1].wants_to_leave else None
        if staying is not None and staying.is_ready:
            self.was_ready, self.failure = True, None
            for run in self.runs[:-1]:
                run.end(now)
        return has_ended

    def _note_end(self, run: HostRun, now: float) -> None:
        if run.is_ending:
            return
        if not run.is_ready:
            self.failure = f"{self._host.title} {run.describe_end()}"
        self._put_off(now, run)


def run_host(host: HostProcess, channel: socket.socket, served: socket.socket) -> ExitCode:
    """Become the process. Runs in a child of the master."""
    try:
        os.dup2(write_setup(host.setup), 0)
        for sock in (channel, served):
            sock.set_inheritable(True)
        command = interpreter_command(host.program, channel.fileno(), served.fileno())
        os.execve(sys.executable, command, dict(host.environ))
    except OSError as error:
        channel.send(f"{sys.executable} can't be executed: {error.strerror}\n".encode("utf-8", "backslashreplace"))
    return ExitCode.INTERNAL
