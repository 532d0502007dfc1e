"""What a worker says of itself in its row of the scoreboard, and whether it leaves accepting to others."""

import os
import signal
import time
from collections.abc import Sequence

from gemd.protocol import figures
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Row
from gemd.system import process
from gemd.system.file_watch import FileWatch
from gemd.system.log import error_log
from gemd.worker.event_loop import EventLoop
from gemd.worker.thread_pool import ThreadPool

_COUNTED = (
    # As the event loop counts connections.
    *(figures.READING, figures.WRITING, figures.LINGERING, figures.PASSING, figures.UPLOADING),
    *(figures.REFUSED, figures.RECEIVED, figures.THREADS),
)
_LOOK_INTERVAL = 1.0  # seconds between two looks at applications and their files
_MEMORY_INTERVAL = 10.0  # seconds between two looks at how much memory this process has
_MANY_DESCRIPTORS = 1000  # that are counted no oftener than that either: an older kernel has to list them


class Reporter:
    """What a worker says of itself in its row of the scoreboard, and looks after once a second."""

    def __init__(
        self,
        generation: Generation,
        row: Row,
        event_loop: EventLoop,
        pool: ThreadPool,
        memory: process.MemoryReport,
        descriptors: process.DescriptorReport,
        watch: FileWatch | None,
    ) -> None:
        self._generation = generation
        self._row = row
        self._event_loop = event_loop
        self._pool = pool
        self._memory = memory
        self._descriptors = descriptors
        self._watch = watch
        generation.count_answers(row.count_answer)
        self._is_left = False  # accepting, to the others
        self._counts: Sequence[int] = (0,) * len(_COUNTED)
        self._next_look = self._next_count = self._next_memory = 0.0

    def report(self) -> None:
        """Show the figures, from time to time: those that have changed, and the costly ones more seldom."""
        event_loop, pool = self._event_loop, self._pool
        here = event_loop.count()
        counts = (*here, event_loop.refused, event_loop.received, pool.busy)
        if counts != self._counts:
            self._show(counts)
        has_room = event_loop.has_room(*here) and not pool.is_full and self._generation.has_room()
        self._row.show_room(has_room=has_room)
        if self._is_left or not has_room:
            self._is_left = not has_room and self._row.is_room_elsewhere()
            event_loop.leave_accepting(is_left=self._is_left)
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_INTERVAL
            self._look(now)

    def _show(self, counts: Sequence[int]) -> None:
        for figure, count, former in zip(_COUNTED, counts, self._counts, strict=True):
            if count != former:
                self._row.show(figure, count)
        self._counts = counts

    def _look(self, now: float) -> None:
        """Once a second."""
        show = self._row.show
        error_log.settle()
        show(figures.DROPPED, self._generation.logs.dropped)
        if self._generation.applications.are_stuck:
            self._row.request_recycle()
        if now >= self._next_count:
            number = self._descriptors.read()
            show(figures.DESCRIPTORS, number)
            self._next_count = now + (_LOOK_INTERVAL if number < _MANY_DESCRIPTORS else _MEMORY_INTERVAL)
        if now >= self._next_memory:
            shared_out, private = self._memory.read()
            show(figures.MEMORY, shared_out)
            show(figures.PRIVATE, private)
            self._next_memory = now + _MEMORY_INTERVAL
        if self._watch is not None and (path := self._watch.look()) is not None:
            ask_for_reload(path)


def ask_for_reload(path: str) -> None:
    """A file of an application has changed."""
    error_log.info("%s has changed: reloading", path)
    try:
        os.kill(os.getppid(), signal.SIGHUP)
    except PermissionError:
        error_log.error("auto-reload: only root may have a master reload that stays root")
