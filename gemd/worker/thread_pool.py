"""A bounded number of threads in a worker, for what computes or waits for a disk.

Rules: work that finds no thread free waits; clients take turns, and two never have all threads. Threads start when
first needed and end with the worker.
"""

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from gemd.system.places import Place, Places, find_share

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
        self._places = Places(size, find_share(size))
        self._queue: SimpleQueue[tuple[Work, Work, Place]] = SimpleQueue()

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return self._busy

    @property
    def is_full(self) -> bool:
        """Whether further work has to wait."""
        return self._busy >= self._size

    def run(self, client: str, work: Work, then: Work) -> Work | None:
        """Have a thread do the work of a client, at once or in its turn; None when no thread can be had at all.

        What is returned gives the turn up, if it has not come yet.

        `then` is called when the work is over, however it ended, and the thread counts as free.
        """
        if not self._threads and not self._start():
            return None
        return self._places.request(client, partial(self._put, work, then)).withdraw

    def _put(self, work: Work, then: Work, place: Place) -> None:
        """Its turn has come. Runs in the event loop, or in the thread whose work was over."""
        with self._lock:
            self._busy += 1
        self._start_missing()
        self._queue.put((work, then, place))

    def _start_missing(self) -> None:
        if self._busy > self._threads:
            self._start()  # where that fails, work waits for a thread that there is

    def _start(self) -> bool:
        threading.stack_size(_STACK_SIZE)
        with self._lock:
            if self._threads >= self._size:
                return False
            try:
                threading.Thread(target=self._serve, name=f"pool {self._threads}", daemon=True).start()
            except RuntimeError:
                return False  # this machine has no more threads for us
            self._threads += 1
        return True

    def _serve(self) -> None:
        """Runs in a thread of the pool, which ends with work that raises."""
        while True:
            work, then, place = self._queue.get()
            has_returned = False
            try:
                work()
                has_returned = True
            finally:
                with self._lock:
                    self._busy -= 1
                    self._threads -= not has_returned
                self._start_missing()
                place.leave()
                then()
                del work, then, place  # with all that they hold, before the next wait
