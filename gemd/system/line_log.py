"""A log: takes lines from anybody in this process, and brings them to a sink.

Rules: in a worker a thread writes, so that neither a slow disk nor syslog stops the event loop; what waits for it is
bounded; a line that is lost is counted, and told of as soon as writing works again.
"""

import contextlib
import functools
import threading
from collections.abc import Callable
from queue import SimpleQueue

from gemd.system.level import Level
from gemd.system.log import error_log
from gemd.system.sinks import DescriptorSink, Line, Sink

_MAX_WAITING = 4096  # lines; as many again may be in the thread's hands
_MOMENT = 0.05  # seconds
_STACK_SIZE = 256 * 1024

ReportLost = Callable[[str, int, str], None]  # told of a log by its name, of how many lines it lost, and why


class NoLog:
    """Lines to nowhere."""

    dropped = 0

    def write(self, line: str, level: Level = Level.INFO) -> None:
        """Drop the line."""

    def start(self, pause: float) -> None:
        """There is nothing to start."""

    def hasten(self) -> None:
        """There is nothing to wait for."""

    def flush(self, seconds: float) -> bool:
        """There is nothing to wait for."""
        return True

    def close(self) -> None:
        """There is nothing to close."""


class LineLog:
    """The log `name`, in a sink. Writes at once until `start` is called, and by a thread from then on."""

    def __init__(self, sink: Sink, name: str, report_lost: ReportLost) -> None:
        self.sink = sink
        self.name = name
        self._report_lost = report_lost
        self._queue: SimpleQueue[Line | Callable[[], object]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pause = 0.0
        self._is_awaited = threading.Event()  # by somebody for whom there is to be no pause
        self._has_ended = False
        self._is_late = False  # somebody has waited in vain, and the thread has not come so far yet
        self._lock = threading.Lock()
        self._refused = 0  # lines, since too many waited
        self._failed = 0  # lines that the sink lost
        self._reported = 0

    @property
    def dropped(self) -> int:
        """Lines that this process could not write."""
        return self._refused + self._failed

    @property
    def has_thread(self) -> bool:
        """Whether a thread writes, which may wait."""
        return self._thread is not None

    def write(self, line: str, level: Level = Level.INFO) -> None:
        """Write one line, given without its line end. Where there is a thread, this never waits."""
        if self._thread is None:
            self._deliver([(line, level)])
        elif self._queue.qsize() < _MAX_WAITING:
            self._queue.put((line, level))
        else:
            with self._lock:
                self._refused += 1

    def start(self, pause: float) -> None:
        """Have a thread write, which gathers lines for `pause` seconds before. Where none can be had, nothing changes.

        Not before rights are given up, some of which each thread has for itself.
        """
        self._pause = pause
        threading.stack_size(_STACK_SIZE)
        thread = threading.Thread(target=self._serve, name=f"log {self.name}", daemon=True)
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def hasten(self) -> None:
        """Wait a moment for what is here to be written, since this process may not live much longer; not again before
        a thread that is too slow for that has come so far."""
        if not self._is_late and threading.current_thread() is not self._thread and not self.flush(_MOMENT):
            self._is_late = True
            self._queue.put(self._note_progress)

    def _note_progress(self) -> None:
        self._is_late = False

    def flush(self, seconds: float) -> bool:
        """Wait until what is here by now is written; False when that takes longer."""
        if self._thread is None:
            return True
        is_done = threading.Event()
        self._queue.put(is_done.set)
        self._is_awaited.set()
        return is_done.wait(seconds)

    def move_to(self, descriptor: int) -> None:
        """Write to another file from now on, and to the old one what is here. Takes the descriptor over."""
        assert isinstance(self.sink, DescriptorSink)
        if self._thread is None:
            self._move(self.sink, descriptor)
        else:
            self._queue.put(functools.partial(self._move, self.sink, descriptor))

    def _move(self, sink: DescriptorSink, descriptor: int) -> None:
        try:
            sink.move_to(descriptor)
        except OSError as error:  # a thread that ended by it would write nothing more
            error_log.error("the log %s stays in the file that it is in: %s", self.name, error.strerror)

    def close(self) -> None:
        """Write what is here, and close the sink."""
        if self._thread is not None:
            self._queue.put(self._end)
            self._is_awaited.set()
            self._thread.join()
        self.sink.close()

    # What writes

    def _serve(self) -> None:
        """Runs in the thread. What is to be done is done in the order in which it came, between the lines."""
        while not self._has_ended:
            items = [self._queue.get()]
            if self._pause and isinstance(items[0], tuple):
                self._is_awaited.wait(self._pause)
                self._is_awaited.clear()
            items += [self._queue.get() for _ in range(self._queue.qsize())]
            lines: list[Line] = []
            for item in items:
                if isinstance(item, tuple):
                    lines.append(item)
                else:
                    self._deliver(lines)
                    lines = []
                    item()
            self._deliver(lines)
            del items, item, lines  # before the next wait

    def _end(self) -> None:
        self._has_ended = True

    def _deliver(self, lines: list[Line]) -> None:
        if not lines:
            return
        lost = self.sink.write(lines)
        self._failed += lost
        missing = self.dropped - self._reported
        if missing and not lost:
            self._reported += missing
            reason, self.sink.reason = self.sink.reason, ""
            self._report_lost(self.name, missing, reason or "writing took too long")
