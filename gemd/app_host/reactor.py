"""Twisted's reactor in the main thread, for an application that has brought it along.

Rules: the application's code runs in the reactor's thread and nowhere else, as in Jetforce; what it has to wait for
holds up no other call.
"""

import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

from twisted.internet import defer
from twisted.internet import reactor as installed

from gemd.app_host.main_thread import MainThread
from gemd.config.host_settings import Location
from gemd.responders.app.speech import Cancel, Outcome
from gemd.responders.app.threads import AppThreads

P = ParamSpec("P")
reactor: Any = installed  # a module that is an object; which one, the application has decided
_OWN_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # that a reactor would stop for


class ReactorThreads(AppThreads):
    """One thread: the reactor's."""

    def is_awaited(self) -> bool:
        """Always: the reactor has more to do than calls."""
        return True


class ReactorThread(MainThread):
    """Works from `run` to `stop`, by the reactor."""

    def make_threads(self, location: Location, where: str, seconds: float) -> AppThreads:
        """The application's one thread, which is this one."""
        return ReactorThreads(location, where, seconds, self, wait_in_reactor, number=1)

    def submit(self, act: Callable[P, object], /, *values: P.args, **named: P.kwargs) -> None:
        """Have something done. From any thread."""
        reactor.callFromThread(_do, lambda: act(*values, **named))

    def stop(self) -> None:
        """Do no more than what was given so far. From any thread."""
        reactor.callFromThread(reactor.stop)

    def run(self) -> None:
        """Work. Called by the main thread."""
        handlers = {number: signal.getsignal(number) for number in _OWN_SIGNALS}

        def take_signals_back() -> None:
            for number, handler in handlers.items():
                signal.signal(number, handler)

        reactor.callWhenRunning(take_signals_back)
        reactor.run()  # with its handlers, for it has to know when its processes end


def _do(act: Callable[[], object]) -> None:
    with contextlib.suppress(BaseException):  # the call has what the application raised
        act()


def wait_in_reactor(awaitable: Awaitable[object], then: Callable[[Outcome], None]) -> Outcome | Cancel:
    """Have `then` told what it comes to, a Deferred or a coroutine. What gives it up may be called by any thread."""
    deferred = awaitable if isinstance(awaitable, defer.Deferred) else defer.ensureDeferred(_settle(awaitable))
    deferred.addCallbacks(lambda value: then((value, None)), lambda failure: then((None, failure.value)))
    return lambda: reactor.callFromThread(deferred.cancel)


async def _settle(awaitable: Awaitable[object]) -> object:
    return await awaitable
