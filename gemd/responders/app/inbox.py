"""What a thread is to do, one after the other: how it waits for that, and is woken.

Rule: whoever puts something in lets go of the interpreter as it wakes the thread, by a system call. A thread that is
woken by one of Python's locks, as a queue's, comes up while its waker still has the interpreter, only to wait again.
"""

import os
import weakref
from collections import deque
from collections.abc import Callable

Work = Callable[[], object]


class Inbox:
    """For one thread that takes, and any that put. Its descriptor is closed with the last who has it, who may be about
    to write there when the thread has ended; or by `close`."""

    def __init__(self) -> None:
        """Raises OSError where no descriptor is free."""
        self._works: deque[Work | None] = deque()
        self._is_awaiting = False  # or about to
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC)
        self._closing = weakref.finalize(self, os.close, self._wakeup)
        self._closing.atexit = False  # threads may wait there to the last

    def put(self, work: Work | None) -> None:
        """Hand it over; None is the last. From any thread."""
        self._works.append(work)
        if self._is_awaiting:
            self._is_awaiting = False  # one write is enough
            os.eventfd_write(self._wakeup, 1)

    def take(self) -> Work | None:
        """What comes next, waiting for it. Handlers of signals run meanwhile, in the main thread."""
        while not self._works:
            self._is_awaiting = True  # before the last look: who puts later writes
            if not self._works:
                os.read(self._wakeup, 8)  # unlike eventfd_read it goes on after a signal
        self._is_awaiting = False
        return self._works.popleft()

    def close(self) -> None:
        """Nothing is put or taken any more."""
        self._closing()
