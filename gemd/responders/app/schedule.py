"""Which of an application's threads runs which call, and when.

Rules: clients take turns: who has the fewest threads is next, and of those who has waited for longest. A call that has
begun stays in its thread, so that what is bound to that (an event loop, a connection to a database) holds.
"""

import threading
from collections import Counter, deque
from typing import Generic, Protocol, TypeVar


class Turn(Protocol):
    """What is to be run: for whom, and the number of the thread where it has begun."""

    client: str
    thread: int | None


T = TypeVar("T", bound=Turn)


class Schedule(Generic[T]):
    """So many `threads`, numbered from 0. Whoever gets one has it until that is said to be free."""

    def __init__(self, threads: int) -> None:
        self.running: dict[int, T] = {}  # by thread
        self.waiting = 0  # for a thread
        self._threads = range(threads)
        self._waiting: dict[str, deque[T]] = {}  # by client, who has waited for longest first
        self._lock = threading.Lock()

    def count_waiting(self, client: str) -> int:
        """How many of those who wait are this client's."""
        with self._lock:
            return len(self._waiting.get(client, ()))

    def enter(self, call: T) -> int | None:
        """The thread that is to run it now; None where it has to wait."""
        with self._lock:
            wanted = self._threads if call.thread is None else (call.thread,)
            free = next((thread for thread in wanted if thread not in self.running), None)
            if free is None:
                self._waiting.setdefault(call.client, deque()).append(call)
                self.waiting += 1
            else:
                call.thread = free
                self.running[free] = call
            return free

    def leave(self, thread: int) -> T | None:
        """A thread is free; whose turn it is there now."""
        with self._lock:
            del self.running[thread]
            call = self._take_next(thread) if self.waiting else None
            if call is not None:
                call.thread = thread
                self.running[thread] = call
            return call

    def refuse(self, thread: int) -> None:
        """A thread can't be had: what it was to run waits for another one, before all else of its client's."""
        with self._lock:
            call = self.running.pop(thread)
            call.thread = None
            self._waiting.setdefault(call.client, deque()).appendleft(call)
            self.waiting += 1

    def read_running(self) -> list[T]:
        """What is running."""
        with self._lock:
            return list(self.running.values())

    def _take_next(self, thread: int) -> T | None:
        """What is next for this thread: nothing that has begun in another one."""
        taken = Counter(call.client for call in self.running.values())
        for client in sorted(self._waiting, key=taken.__getitem__):  # which keeps the order of those who are equal
            calls = self._waiting[client]
            call = next((call for call in calls if call.thread in (None, thread)), None)
            if call is not None:
                calls.remove(call)
                self.waiting -= 1
                del self._waiting[client]
                if calls:
                    self._waiting[client] = calls  # behind the others
                return call
        return None
