"""A bounded number of threads in a worker, for what computes or waits for a disk.

Rules: work is taken on only while a thread is free, and refused otherwise; threads start when first needed and end with
the worker.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

# A thread needs no more; the default of 8 MiB each would look frightening in top(1).
_STACK_SIZE = 512 * 1024


class ThreadPool:
    """At most `size` pieces of work at once. Work must not raise."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._threads = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return self._busy

    def run(self, work: Callable[[], None]) -> bool:
        """Have a thread do the work; False when none is free. Only one thread may ask, so that a free one stays so."""
        if self._busy >= self._threads and not self._start():
            return False
        with self._lock:
            self._busy += 1
        self._queue.put(work)
        return True

    def _start(self) -> bool:
        if self._threads >= self.size:
            return False
        threading.stack_size(_STACK_SIZE)
        try:
            threading.Thread(target=self._serve, name=f"pool {self._threads}", daemon=True).start()
        except RuntimeError:
            return False  # this machine has no more threads for us
        self._threads += 1
        return True

    def _serve(self) -> None:
        """Runs in a thread of the pool."""
        while True:
            work = self._queue.get()
            try:
                work()
            finally:
                del work  # with all that it holds, before the next wait
                with self._lock:
                    self._busy -= 1
