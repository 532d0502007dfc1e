"""A file that an upload is written to as it comes, by threads, so that no disk ever stops the event loop.

Rules: what is given is written in its order, by one thread at a time; what waits for that is bounded where whoever
gives it heeds `is_ready`. After the first failure nothing more is written.
"""

import errno
import os
import threading
from collections.abc import Callable

from gemd.protocol.response import Helper

SMALL_SIZE = 16 * 1024  # bytes for which no thread is asked before all of them are here
_MAX_WAITING = 64 * 1024  # bytes that are not written yet


class Spool:
    """`make` opens the file, and `release` closes it: in threads. Either may raise OSError.

    `failure` is why not all is written, and `size` how many bytes are. All methods are the event loop's; it is woken
    whenever a thread is done with something.
    """

    def __init__(self, make: Callable[[], int], release: Callable[[int], None] = os.close) -> None:
        self.failure: OSError | None = None
        self.size = 0
        self._make = make
        self._release = release
        self._helper: Helper | None = None
        self._descriptor: int | None = None
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes, those that are being written included
        self._then: Callable[[int], None] | None = None
        self._is_closed = False
        self._is_at_work = False  # a thread, or it has its turn to come
        self._lock = threading.Lock()

    def begin(self, helper: Helper) -> None:
        """Nothing is opened yet."""
        self._helper = helper

    def open(self) -> None:
        """Have the file made at once, so that it is known early where that fails."""
        self._start()

    @property
    def is_ready(self) -> bool:
        """Whether it takes more at the moment; all is taken, and left, once it has failed."""
        return self._waiting < _MAX_WAITING or self.failure is not None

    def write(self, data: bytes) -> None:
        """Have these bytes written after those before."""
        with self._lock:
            if self.failure is not None:
                return
            self._pieces.append(data)
            self._waiting += len(data)
            is_due = self._waiting >= SMALL_SIZE and not self._is_at_work
        if is_due:
            self._start()

    def finish(self, then: Callable[[int], None]) -> None:
        """Nothing more comes: have a thread call `then` with the descriptor once all is written. What it raises of
        OSError is the `failure`, and after one it is not called."""
        with self._lock:
            self._then = then
            is_due = self.failure is None and not self._is_at_work
        if is_due:
            self._start()

    def close(self) -> None:
        """Let go of the file. Called at most once; a thread that is at work does it when it is done."""
        with self._lock:
            self._is_closed = True
            self._pieces, self._then = [], None
            if self._is_at_work or self._descriptor is None:
                return
        self._start()  # to free what it has on the disk may take a while
        if not self._is_at_work and self._descriptor is not None:
            self._let_go()

    def _start(self) -> None:
        """Ask for a thread, in this client's turn."""
        assert self._helper is not None  # it has begun
        self._is_at_work = True
        if self._helper.run(self._work) is None:
            self._is_at_work = False
            self.failure = self.failure or OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _work(self) -> None:
        """Write what is here, so that others have their turn before the next. Runs in a thread of the pool."""
        goes_on = True
        while goes_on:
            try:
                self._take_step()
            finally:
                goes_on = self._goes_on()

    def _goes_on(self) -> bool:
        """Whether this thread has more to do: what was asked for last, or what would otherwise never be written."""
        with self._lock:
            if self._is_closed:
                self._is_at_work = self._descriptor is not None
            else:
                is_asked = self._then is not None or self._waiting >= _MAX_WAITING
                self._is_at_work = is_asked and self.failure is None
            return self._is_at_work

    def _take_step(self) -> None:
        with self._lock:
            pieces, then, is_closed = self._pieces, self._then, self._is_closed
            self._pieces, self._then = [], None
        try:
            if is_closed:
                self._let_go()
            elif self.failure is None:
                self._write(b"".join(pieces), then)
        except OSError as error:
            self.failure = error
        except MemoryError:
            self.failure = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        finally:
            with self._lock:
                self._waiting -= sum(map(len, pieces))

    def _write(self, data: bytes, then: Callable[[int], None] | None) -> None:
        if self._descriptor is None:
            self._descriptor = self._make()
        left = memoryview(data)
        while left:
            count = os.write(self._descriptor, left)
            left = left[count:]
            self.size += count
        if then is not None:
            then(self._descriptor)

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._release(descriptor)
