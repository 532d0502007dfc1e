"""asyncio in an application's threads: each has an event loop of its own, in which it waits.

Rule: an application that does not import asyncio does not pay for it.
"""

import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gemd.responders.app.contract import AppError
from gemd.responders.app.speech import Outcome

if TYPE_CHECKING:
    import asyncio

_threads = threading.local()  # each one's `own`, an _OwnLoop


class _OwnLoop:
    """A thread's event loop, which is closed when the thread has ended."""

    def __init__(self) -> None:
        import asyncio

        self.loop = asyncio.new_event_loop()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # As the interpreter ends there may be nothing left to close it with.
        if not is_finalizing() and not self.loop.is_running():
            self.loop.close()


def prepare_event_loop() -> None:
    """Give this thread its event loop, which `asyncio.get_event_loop` finds, where its application knows asyncio. To be
    called before each turn: what ran before may have taken it away, as `asyncio.run` does, or closed it."""
    if "asyncio" in sys.modules:
        _set_event_loop()


def _set_event_loop() -> "asyncio.AbstractEventLoop":
    import asyncio

    own: _OwnLoop | None = getattr(_threads, "own", None)
    if own is None or own.loop.is_closed():
        own = _threads.own = _OwnLoop()
    asyncio.set_event_loop(own.loop)
    return own.loop


def wait_in_event_loop(awaitable: Awaitable[object], _then: Callable[[Outcome], None]) -> Outcome:
    """Wait in this thread, by its event loop. What was awaited may raise anything."""
    if hasattr(awaitable, "addCallbacks"):
        raise AppError("gave a Deferred, for which it needs a reactor, and so a process of its own: app-process = true")
    return _set_event_loop().run_until_complete(_settle(awaitable)), None


async def _settle(awaitable: Awaitable[object]) -> object:
    return await awaitable
