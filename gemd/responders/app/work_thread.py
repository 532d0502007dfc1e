"""A thread for an application's code, which may do there whatever it does in a program of its own.

Rule: a process that the code forks from it ends as any other does; in a child of an executor's thread the interpreter
waits for that very thread as it ends, which is an error.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import ParamSpec

from gemd.responders.app.inbox import Inbox

P = ParamSpec("P")


class WorkThread:
    """Does what it is given, one after the other. It is started when it is first needed, and ends when nobody has it
    any more, or with its process. What is raised there ends nothing, and is for who gives it something to tell."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inbox: Inbox | None = None  # once it is started

    def submit(self, act: Callable[P, object], /, *values: P.args, **named: P.kwargs) -> None:
        """Have something done. Raises RuntimeError where the thread can't be started."""
        if self._inbox is None:
            self._inbox = self._start()
        self._inbox.put(lambda: act(*values, **named))

    def _start(self) -> Inbox:
        try:
            inbox = Inbox()
        except OSError as error:
            raise RuntimeError(f"can't start a thread: {error.strerror}") from None
        try:
            threading.Thread(target=_work, args=(inbox,), name=self._name, daemon=True).start()
        except RuntimeError:
            inbox.close()
            raise
        weakref.finalize(self, inbox.put, None).atexit = False
        return inbox


def _work(inbox: Inbox) -> None:
    """Runs in the thread. Nothing that was done is held on to while it waits."""
    while (do_it := inbox.take()) is not None:
        with contextlib.suppress(BaseException):
            do_it()
        del do_it
