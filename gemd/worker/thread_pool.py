"""A bounded number of threads in a worker, for what computes or waits for a disk.

Rules: work is taken on only while a thread is free, and refused otherwise; threads start when first needed and end with
the worker.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

# A thread needs no more; the default of 8 MiB each would look frightening in top(1).
_STACK_SIZE = 512 * 1024

Work = Callable[[], None]


class ThreadPool:
    """At most `size` pieces of work at once. What raises ends its thread, and another takes its place."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[Work, Work]] = SimpleQueue()

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return self._busy

    def run(self, work: Work, then: Work) -> bool:
        """Have a thread do the work; False when none is free. Only one thread may ask, so that a free one stays so.

        `then` is called when the work is over, however it ended, and the thread counts as free.
        """
        if self._busy >= self._threads and not self._start():
            return False
        with self._lock:
            self._busy += 1
        self._queue.put((work, then))
        return True

    def _start(self) -> bool:
        if self._threads >= self._size:
            return False
        threading.stack_size(_STACK_SIZE)
        try:
            threading.Thread(target=self._serve, name=f"pool {self._threads}", daemon=True).start()
        except RuntimeError:
            return False  # this machine has no more threads for us
        with self._lock:
            self._threads += 1
        return True

    def _serve(self) -> None:
        """Runs in a thread of the pool, which ends with work that raises."""
        while True:
            work, then = self._queue.get()
            has_returned = False
            try:
                work()
                has_returned = True
            finally:
                with self._lock:
                    self._busy -= 1
                    self._threads -= not has_returned
                then()
                del work, then  # with all that they hold, before the next wait
