"""What a worker says of itself in its row of the scoreboard, and whether it leaves accepting to others."""

import os
import signal
import time

from gemd.protocol import figures
from gemd.shared.generation import Generation
from gemd.shared.scoreboard import Row
from gemd.system import process
from gemd.system.file_watch import FileWatch
from gemd.system.log import error_log
from gemd.worker.event_loop import EventLoop
from gemd.worker.thread_pool import ThreadPool

_ROWS = 4  # of the scoreboard for each slot: workers that serve, start and drain
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
        self._rows = _ROWS * generation.config.workers  # the first are taken first
        self._next_look = self._next_count = self._next_memory = 0.0

    def report(self) -> None:
        """Show the figures, once a turn of the event loop; the costly ones more seldom."""
        show, event_loop = self._row.show, self._event_loop
        show(figures.READING, event_loop.reading)
        show(figures.WRITING, event_loop.writing)
        show(figures.LINGERING, event_loop.lingering)
        show(figures.THREADS, self._pool.busy)
        show(figures.REFUSED, event_loop.refused)
        has_room = event_loop.has_room and not self._pool.is_full and self._generation.has_room()
        self._row.show_room(has_room=has_room)
        event_loop.leave_accepting(is_left=not has_room and self._row.is_room_elsewhere(self._rows))
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_INTERVAL
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
