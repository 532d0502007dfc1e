"""The main thread as the first of an application's threads: it does what it is given, one after the other."""

import contextlib
from collections.abc import Callable
from typing import ParamSpec

from gemd.config.host_settings import Location
from gemd.responders.app.inbox import Inbox
from gemd.responders.app.threads import AppThreads

P = ParamSpec("P")


class MainThread:
    """Works from `run` to `stop`."""

    def __init__(self) -> None:
        self._inbox = Inbox()

    def make_threads(self, location: Location, where: str, seconds: float) -> AppThreads:
        """The application's threads, of which this is the first."""
        return AppThreads(location, where, seconds, self)

    def submit(self, act: Callable[P, object], /, *values: P.args, **named: P.kwargs) -> None:
        """Have something done. From any thread."""
        self._inbox.put(lambda: act(*values, **named))

    def stop(self) -> None:
        """Do no more than what was given so far. From any thread."""
        self._inbox.put(None)

    def run(self) -> None:
        """Work. Called by the main thread."""
        while (act := self._inbox.take()) is not None:
            with contextlib.suppress(BaseException):  # the call has what the application raised
                act()
