"""The application responder: Python code that answers everything below a location.

Rules: an application has its threads once in each worker, however many locations it is mounted at; what
it can't answer in time is answered for it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator

from gemd.config.settings import Answer, Config, Location
from gemd.config.tables import key_path
from gemd.protocol.errors import Overloaded
from gemd.protocol.peer import network_of
from gemd.protocol.request import Request
from gemd.responders.app.call import Call
from gemd.responders.app.environ import build_app_environ
from gemd.responders.app.load import AppLoadError, modules_read_anew
from gemd.responders.app.threads import AppThreads, Board
from gemd.system.authorities import Authorities

_POLL_INTERVAL = 0.01  # seconds between two looks at whether the applications have come to their end


class Applications:
    """All applications of a configuration. `made` is when they were, before any was loaded, in nanoseconds."""

    def __init__(self, config: Config, authorities: Authorities | None) -> None:
        self.made = time.time_ns()
        self._config = config
        self._authorities = authorities
        self._threads: dict[object, AppThreads] = {}
        for where, location in _mounted(config):
            if _key(location) not in self._threads:
                self._threads[_key(location)] = AppThreads(location, where, config.timeouts.app)

    def preload(self) -> None:
        """Load those that all workers are to share. Runs in the master. Raises AppLoadError."""
        self.check_environment()
        keys = {_key(location): None for _, location in _mounted(self._config) if location.preload}
        with modules_read_anew() if keys else contextlib.nullcontext():
            for key in keys:
                self._threads[key].preload()

    def check(self) -> None:
        """Load them all, and forget them. Raises AppLoadError."""
        self.check_environment()
        for threads in self._threads.values():
            threads.check()

    def check_environment(self) -> None:
        """Raise AppLoadError where two locations want one variable to have different values."""
        seen: dict[str, tuple[str, str]] = {}
        for where, location in _mounted(self._config):
            for name, value in location.app_env.items():
                other, there = seen.setdefault(name, (value, where))
                if other != value:
                    raise AppLoadError(
                        f"{where}-env.{name}: {there}-env has another value, and a process has one alone"
                    )

    def open(self, under_way: Board) -> None:
        """Load them; what their code runs for is shown in `under_way`. Runs in the worker. Raises AppLoadError."""
        for threads in self._threads.values():
            threads.open(under_way)

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds: the worker ends."""
        for threads in self._threads.values():
            threads.end_by(moment)

    def wait(self, seconds: float) -> None:
        """Let what was broken off clean up. Runs in the worker, as it ends."""
        end = time.monotonic() + seconds
        while any(threads.is_busy for threads in self._threads.values()) and time.monotonic() < end:
            time.sleep(_POLL_INTERVAL)

    def run_last(self, work: Callable[[], None], seconds: float) -> bool:
        """Have `work` done where the first of them was loaded; whether it was done within so many seconds. Runs in the
        worker, when nobody asks any more."""
        first = next(iter(self._threads.values()), None)
        return first is None or first.run_last(work, seconds)

    @property
    def are_stuck(self) -> bool:
        """Whether a thread did not come back, so that another worker has to take this one's place."""
        return any(threads.is_stuck for threads in self._threads.values())

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._threads)

    def __call__(self, request: Request, location: Location) -> Call:
        """A call that is still to begin. Raises Overloaded (41) where too many wait already."""
        threads = self._threads[_key(location)]
        if not threads.has_place(network_of(request.peer.address)):
            raise Overloaded
        environ = build_app_environ(request, location, self._authorities)
        return threads.make_call(request.url, environ)


def _mounted(config: Config) -> Iterator[tuple[str, Location]]:
    """The locations with an application, each with its key's path in the configuration."""
    for host in config.hosts:
        for location in host.locations:
            if Answer.APP in location.answers:
                yield key_path(location.where, Answer.APP.value), location


def _key(location: Location) -> object:
    """What makes two mounted applications the same one."""
    return location.app, location.app_path, location.app_threads, tuple(sorted(location.app_options.items()))
