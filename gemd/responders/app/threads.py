"""An application's threads: those of a worker that run its code, by default one, as its authors are used to.

Rules: the application is imported in the thread that calls it; calls wait in a queue that has an end, from which
clients take turns; a thread that does not come back in time is given up, and the worker with it.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from gemd.config.settings import Location
from gemd.protocol.url import Url
from gemd.responders.app.call import Call
from gemd.responders.app.contract import App, Environ
from gemd.responders.app.load import AppLoadError, load_app
from gemd.system.attempt import attempt
from gemd.system.places import Place, Places, find_share

_MAX_WAITING = 256  # calls for each application
_RETURN_TIMEOUT = 2.0  # seconds for a call's code to come back when its time is over: until its next chunk, mostly


class Board(Protocol):
    """Where it is shown what code is running for, in case it brings the process down. For any thread."""

    def begin(self, url: Url) -> int | None:
        """Code begins to run for this URL; `end` takes what is returned."""

    def end(self, entry: int | None) -> None:
        """It has come back."""


class AppThreads:
    """The threads of one application. It is loaded by `open`, after the fork, or was before, by `preload`."""

    def __init__(self, location: Location, where: str, seconds: float) -> None:
        """`where` is the path of its key in the configuration, `seconds` are for each answer."""
        self.name = location.app or ""
        self.last_moment: float | None = None
        self._location = location
        self._where = where
        self._seconds = seconds
        self._under_way: Board | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._app: App | None = None
        self._lock = threading.Lock()
        self._places = Places(location.app_threads, location.app_threads)
        self._running: dict[int, Call] = {}  # by thread: a call may be in two, where one has just let go of it

    def preload(self) -> None:
        """Load the application where it is to be shared by all workers: in the master. Raises AppLoadError."""
        self._app = self._load_aside()

    def check(self) -> None:
        """Load the application and forget it. Raises AppLoadError."""
        self._load_aside()

    def _load_aside(self) -> App:
        with attempt(f"the application {self.name} could not be loaded"), ThreadPoolExecutor(1) as executor:
            return self._load_by(executor)

    def open(self, under_way: Board) -> None:
        """Start the first thread, and load the application in it. Runs in the worker. Raises AppLoadError."""
        self._under_way = under_way
        threading.stack_size(0)  # the system's own, for who knows what the application does
        self._executor = ThreadPoolExecutor(self._location.app_threads, thread_name_prefix=self.name)
        app = self._app
        if app is None:
            self._app = self._load_by(self._executor)
        else:
            self._executor.submit(lambda: app).result()

    def _load_by(self, executor: ThreadPoolExecutor) -> App:
        future = executor.submit(load_app, self._location)
        error = future.exception()
        if error is not None:
            raise AppLoadError(f"{self._where}: the application {self.name} can't be loaded: {error!r}") from error
        return future.result()

    # Calls

    def has_place(self, client: str) -> bool:
        """Whether a client's call would be taken up in time, as far as one can know."""
        places = self._places
        is_full = places.waiting >= _MAX_WAITING or places.count_waiting(client) >= find_share(_MAX_WAITING)
        return not (is_full or self.is_blocked)

    def make_call(self, url: Url, environ: Environ) -> Call:
        """A call that `begin` begins."""
        assert self._app is not None
        return Call(self, self._app, url, environ, self._seconds)

    def begin(self, call: Call) -> None:
        """Have a thread run the application's code, or go on with it."""
        assert self._executor is not None
        self._places.request(call.client, partial(self._take_place, call))

    def _take_place(self, call: Call, place: Place) -> None:
        """Its turn has come. Runs in the event loop, or in one of the threads."""
        assert self._executor is not None
        threading.stack_size(0)
        with contextlib.suppress(RuntimeError):  # no further thread can be started: it waits for those that there are
            self._executor.submit(self._run, call, place)

    def _run(self, call: Call, place: Place) -> None:
        """Runs in one of the threads. What the application raises is the call's."""
        with self._lock:
            self._running[threading.get_ident()] = call
        is_over = True
        assert self._under_way is not None
        shown = self._under_way.begin(call.url)
        try:
            is_over = call.run()
        finally:
            self._under_way.end(shown)
            if is_over:
                call.finish(sys.exception())
            with self._lock:
                del self._running[threading.get_ident()]
            place.leave()

    def is_awaited(self) -> bool:
        """Whether somebody waits for a thread."""
        return self._places.waiting > 0

    # Threads that do not come back

    @property
    def is_stuck(self) -> bool:
        """Whether some thread should have come back long ago."""
        return self._count(lambda call, now: now > call.deadline + _RETURN_TIMEOUT) > 0

    @property
    def is_blocked(self) -> bool:
        """Whether every thread should."""
        threads = self._location.app_threads
        return len(self._running) >= threads and (
            self._count(lambda call, now: now > call.deadline + _RETURN_TIMEOUT) >= threads
        )

    @property
    def is_busy(self) -> bool:
        """Whether the application's code runs, or is to run."""
        return self._places.taken > 0 or self.is_awaited()

    def _count(self, is_meant: Callable[[Call, float], bool]) -> int:
        now = time.monotonic()
        with self._lock:
            return sum(is_meant(call, now) for call in self._running.values())

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds."""
        self.last_moment = min(moment, self.last_moment or moment)
