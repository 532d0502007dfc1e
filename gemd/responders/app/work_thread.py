"""A thread for an application's code, which may do there whatever it does in a program of its own.

Rule: a process that the code forks from it ends as any other does; in a child of an executor's thread the interpreter
waits for that very thread as it ends, which is an error.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import ParamSpec

P = ParamSpec("P")
_Work = Callable[[], object]


class WorkThread:
    """Does what it is given, one after the other. It is started when it is first needed, and ends when nobody has it
    any more, or with its process. What is raised there ends nothing, and is for who gives it something to tell."""

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=_work, args=(self._queue,), name=name, daemon=True)
        self._is_started = False
        weakref.finalize(self, self._queue.put, None).atexit = False

    def submit(self, act: Callable[P, object], /, *values: P.args, **named: P.kwargs) -> None:
        """Have something done. Raises RuntimeError where the thread can't be started."""
        if not self._is_started:
            self._thread.start()
            self._is_started = True
        self._queue.put(lambda: act(*values, **named))


def _work(queue: "SimpleQueue[_Work | None]") -> None:
    """Runs in the thread. Nothing that was done is held on to while it waits."""
    while (do_it := queue.get()) is not None:
        with contextlib.suppress(BaseException):
            do_it()
        del do_it
