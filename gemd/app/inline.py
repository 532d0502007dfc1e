"""An application's code without threads: it runs when it is begun, where it is begun.

Rule: what the application raises is the call's, as it is in a thread of the daemon's.
"""

import os
from collections.abc import Awaitable, Callable

from gemd.responders.app.event_loops import wait_in_event_loop
from gemd.responders.app.running import RunningCall
from gemd.responders.app.speech import Outcome


class InlineThreads:
    """`name` is the application's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last_moment: float | None = None
        self.pid = os.getpid()
        self.is_blocked = False

    def is_awaited(self) -> bool:
        """Nobody waits for a thread."""
        return False

    def begin(self, call: RunningCall) -> None:
        """Run the application's code, or go on with it."""
        with _Boundary(call):
            if call.run():
                call.finish(None)

    def wait(self, awaitable: Awaitable[object], then: Callable[[Outcome], None]) -> Outcome:
        """What it comes to, once that is known."""
        return wait_in_event_loop(awaitable, then)


class _Boundary:
    """What the application raises inside is the call's, as it is in a thread of the daemon's."""

    def __init__(self, call: RunningCall) -> None:
        self._call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, _: object) -> bool:
        if raised is None or isinstance(raised, KeyboardInterrupt):
            return False
        self._call.finish(raised)
        return True
