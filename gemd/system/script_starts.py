"""Which thread is to start which script: those that wait to be started, and those that are being started.

Rules: one at a time is started, since several threads would fight with each other, and with the event loop, for the
interpreter; but nobody waits for a start that takes long: that keeps its thread, and others go on with the others. One
program may hold half of them up, and all programs all of them. Nothing here locks, or launches a thread.
"""

import math
import queue
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

MAX_STARTERS = 8
_MAX_OF_ONE = 4  # of these for one program
_PATIENCE = 0.025  # seconds for which others wait for a start
_HANG_TIMEOUT = 1.0  # seconds after which it is taken to hang


class Start(NamedTuple):
    """What starts a program."""

    work: Callable[[], None]
    program: str


Starter = queue.SimpleQueue[Start]  # a thread that starts scripts, known by what it is given them by


class ScriptStarts:
    """`look_at`, in monotonic seconds, is when to see again whether those that wait have waited long enough."""

    def __init__(self) -> None:
        self.look_at = math.inf
        self._idle: list[Starter] = []
        self._waiting: deque[Start] = deque()
        self._running: dict[Starter, tuple[str, float]] = {}  # by thread: what it starts, and since when

    def refuse_late(self, program: str) -> None:
        """Raise OSError where too many starts hang, of this program or of all."""
        if not self._running:
            return
        late = self._count_running(_HANG_TIMEOUT)
        if late[program] >= _MAX_OF_ONE or late.total() >= MAX_STARTERS:
            raise OSError("earlier starts have not come back: is its file system, or its interpreter's, dead?")

    def _count_running(self, seconds: float = 0.0) -> "Counter[str]":
        """How many starts of each program have taken so long by now."""
        latest = time.monotonic() - seconds
        return Counter(program for program, began in self._running.values() if began <= latest)

    @property
    def lack_thread(self) -> bool:
        """Whether another thread, which there may be, would begin with what comes now, or waits."""
        return not self._idle and len(self._running) < MAX_STARTERS and self._are_slow()

    @property
    def hang(self) -> bool:
        """Whether there is no thread but those that hang."""
        return not self._idle and self._count_running(_HANG_TIMEOUT).total() == len(self._running)

    def _are_slow(self) -> bool:
        """Whether all that are being started take long."""
        if not self._running:
            return True
        latest = time.monotonic() - _PATIENCE
        return all(began <= latest for _, began in self._running.values())

    def add(self, start: Start) -> None:
        """Have it done by one of the threads, in its turn."""
        self._waiting.append(start)
        self.hand_out()

    def add_thread(self, starter: Starter) -> None:
        """There is another thread, which does what comes by this."""
        self._idle.append(starter)

    def hand_out(self) -> None:
        """Have a thread do what waits for one, unless others are at it that do not take long."""
        while self._waiting and self._idle and self._are_slow() and (start := self._take()) is not None:
            starter = self._idle.pop()
            self._running[starter] = start.program, time.monotonic()
            starter.put(start)
        self.look_at = time.monotonic() + _PATIENCE if self._waiting and not self._are_slow() else math.inf

    def _take(self) -> Start | None:
        """The oldest that waits, but for programs that have as many threads as one may have."""
        if len(self._running) < _MAX_OF_ONE:
            return self._waiting.popleft()
        programs = self._count_running()
        for start in self._waiting:
            if programs[start.program] < _MAX_OF_ONE:
                self._waiting.remove(start)
                return start
        return None

    def finish(self, starter: Starter, *, has_returned: bool) -> None:
        """A thread is done with what it had to start, and ends unless it has returned from it."""
        del self._running[starter]
        if has_returned:
            self._idle.append(starter)
        self.hand_out()
        if self._waiting and not has_returned:
            self.look_at = time.monotonic()  # there may be nobody left
