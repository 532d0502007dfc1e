"""What may have to wait for a disk, a network or a name: done by a child of the master, which waits for nothing.

Rules: the child has a deadline, and is killed when it is late; one that waits for a disk can't even be killed, and is
waited for by nobody; it has the master's rights, and nothing else that only the master has.
"""

import os
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from gemd.master.process import ProcessControl
from gemd.master.report import Outcome, Report, TaskError, do
from gemd.shared.generation import Generation

T = TypeVar("T")


class Loader(Protocol):
    """What a generation is made from, and how. Both raise TaskError."""

    def find(self, current: Generation) -> Outcome:
        """Read the configuration and all that it names, and open what `current` has not. Runs in a child."""

    def make(self, found: Outcome, current: Generation) -> Generation:
        """The generation after `current`, with which it shares what has not changed. Takes the descriptors over."""


class Task(Generic[T]):
    """A task for a generation, which can be done again and again, once at a time.

    `what` is said where nothing comes of it and nobody knows more, as in "the log files could not be opened". `work`
    runs in the child, `take` in the master; both raise TaskError.
    """

    def __init__(
        self, what: str, work: Callable[[Generation], Outcome], take: Callable[[Outcome, Generation], T]
    ) -> None:
        self._what = what
        self._work = work
        self._take = take
        self._report: Report | None = None
        self._generation: Generation | None = None
        self._deadline = 0.0

    def begin(self, generation: Generation, processes: ProcessControl, now: float) -> None:
        """Have a child begin it, with what a worker of the generation has. Raises TaskError."""
        master = os.getpid()
        try:
            child = processes.spawn_child(
                generation, lambda channel: do(lambda: self._work(generation), channel, master)
            )
        except OSError as error:
            raise TaskError(f"{self._what}: no process can be started for it: {error.strerror}") from None
        self._report = Report(child, self._what)
        self._generation = generation
        self._deadline = now + generation.config.timeouts.start

    def poll(self, now: float) -> T | None:
        """What came of it; None while it is under way. Raises TaskError where nothing did, or not in time."""
        report, generation = self._report, self._generation
        if report is None or generation is None:
            return None
        try:
            found = report.read()
            if found is None and now >= self._deadline:
                raise TaskError(f"{report.attempt} within {generation.config.timeouts.start:g} s")
        except TaskError:
            self.cancel()
            raise
        if found is None:
            return None
        self.cancel()
        return self._take(found, generation)

    def cancel(self) -> None:
        """End it, if it is under way."""
        if self._report is not None:
            self._report.end()
        self._report = self._generation = None
