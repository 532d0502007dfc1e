"""The side room: a bounded number of threads in a worker, for requests whose answer may block.

Rules: a request is admitted only while a thread is free, and is told "no" otherwise; threads start when first needed
and never end before the worker does.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

# A thread needs no more for a request; the default of 8 MiB each would look frightening in top(1).
_STACK = 512 * 1024


class SideRoom:
    """At most `size` pieces of work at once. `work` must not raise."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._occupied = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()

    @property
    def size(self) -> int:
        """How many requests the room takes."""
        return self._size

    @property
    def occupied(self) -> int:
        """How many requests are in the room."""
        return self._occupied

    def has_place(self) -> bool:
        """Whether `enter` will find a thread; starts one if need be. Only the main thread lets anybody in, so that
        the answer holds until it does."""
        if self._occupied < self._threads:
            return True
        if self._threads >= self._size:
            return False
        threading.stack_size(_STACK)
        try:
            threading.Thread(target=self._serve, name=f"side room {self._threads}", daemon=True).start()
        except RuntimeError:
            return False  # this machine has no more threads for us
        self._threads += 1
        return True

    def enter(self, work: Callable[[], None]) -> None:
        """Have a thread do the work."""
        with self._lock:
            self._occupied += 1
        self._queue.put(work)

    def _serve(self) -> None:
        """Runs in a thread of the room."""
        while True:
            work = self._queue.get()
            try:
                work()
            finally:
                del work  # with all that it holds, before the next wait
                with self._lock:
                    self._occupied -= 1
