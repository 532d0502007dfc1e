"""An application's threads: those of a process that run its code, by default one, as its authors are used to.

Rules: the application is imported in the thread that calls it; calls wait in a queue that has an end, from which
clients take turns; a thread that does not come back in time is given up, and its process with it.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol

from gemd.config.settings import Location
from gemd.protocol.url import Url
from gemd.responders.app.call import Call
from gemd.responders.app.contract import App, Environ
from gemd.responders.app.event_loops import prepare_event_loop, wait_in_event_loop
from gemd.responders.app.faults import note_hint
from gemd.responders.app.load import explain_load_error, load_app
from gemd.responders.app.running import RunningCall
from gemd.responders.app.schedule import Schedule
from gemd.responders.app.speech import Wait
from gemd.system.attempt import attempt
from gemd.system.forked import end_if_forked
from gemd.system.places import find_share

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

    def __init__(
        self,
        location: Location,
        where: str,
        seconds: float,
        first: Executor | None = None,
        wait: Wait = wait_in_event_loop,
    ) -> None:
        """`where` is the path of its key in the configuration, `seconds` are for each answer. `first` is the thread
        that loads it, if there is one already, and `wait` is how one waits in its threads."""
        self.name = location.app or ""
        self.last_moment: float | None = None
        self.wait = wait
        self._location = location
        self._where = where
        self._seconds = seconds
        self._under_way: Board | None = None
        self._pid = 0  # of the process that calls the application
        self._first = first
        self._executors: list[Executor] = []  # each has one thread
        self._app: App | None = None
        self._schedule: Schedule[RunningCall] = Schedule(location.app_threads)

    def preload(self) -> None:
        """Load the application where it is to be shared by all workers: in the master. Raises AppLoadError."""
        self._app = self._load_aside()

    def check(self) -> None:
        """Load the application and forget it. Raises AppLoadError."""
        self._load_aside()

    def _load_aside(self) -> App:
        with attempt(f"the application {self.name} could not be loaded"), ThreadPoolExecutor(1) as executor:
            return self._load_by(executor)

    def open(self, under_way: Board | None) -> None:
        """Start the first thread, and load the application in it. What its code runs for is shown in `under_way`. Runs
        in the process that calls it. Raises AppLoadError."""
        self._under_way = under_way
        self._pid = os.getpid()
        threading.stack_size(0)  # the system's own, for who knows what the application does
        others = self._location.app_threads - (self._first is not None)
        self._executors = [ThreadPoolExecutor(1, thread_name_prefix=self.name) for _ in range(others)]
        if self._first is not None:
            self._executors.insert(0, self._first)
        app = self._app
        if app is None:
            self._app = self._load_by(self._executors[0])
        else:
            self._executors[0].submit(lambda: app).result()

    def _load_by(self, executor: Executor) -> App:
        future = executor.submit(self._load, os.getpid())
        error = future.exception()
        if error is not None:
            raise explain_load_error(self._where, self._location, error)
        return future.result()

    def _load(self, pid: int) -> App:
        try:
            return load_app(self._location)
        finally:
            end_if_forked(pid, sys.exception())

    # Calls

    def has_place(self, client: str) -> bool:
        """Whether a client's call would be taken up in time, as far as one can know."""
        schedule = self._schedule
        is_full = schedule.waiting >= _MAX_WAITING or schedule.count_waiting(client) >= find_share(_MAX_WAITING)
        return not (is_full or self.is_blocked)

    def make_call(self, url: Url | None, environ: Environ) -> Call:
        """A call that `begin` begins."""
        assert self._app is not None
        return Call(self, self._app, url, environ, self._seconds)

    def begin(self, call: RunningCall) -> None:
        """Have a thread run the application's code, or go on with it."""
        thread = self._schedule.enter(call)
        if thread is not None:
            self._start(thread, call)

    def _start(self, thread: int, call: RunningCall) -> None:
        """Its turn has come. Runs in the event loop, or in one of the threads."""
        threading.stack_size(0)
        try:
            self._executors[thread].submit(self._run, thread, call)
        except RuntimeError:  # no further thread can be started: it waits for those that there are
            self._schedule.refuse(thread)

    def _run(self, thread: int, call: RunningCall) -> None:
        """Runs in that thread. What the application raises is the call's."""
        is_over = True
        board = self._under_way if call.url is not None else None
        shown = board.begin(call.url) if board is not None and call.url is not None else None
        prepare_event_loop()
        try:
            is_over = call.run()
        finally:
            end_if_forked(self._pid, sys.exception())
            if board is not None:
                board.end(shown)
            if is_over:
                call.finish(note_hint(sys.exception()))
            following = self._schedule.leave(thread)
            if following is not None:
                self._start(thread, following)

    def is_awaited(self) -> bool:
        """Whether somebody waits for a thread."""
        return self._schedule.waiting > 0

    # Threads that do not come back

    @property
    def is_stuck(self) -> bool:
        """Whether some thread should have come back long ago."""
        return self._count_late() > 0

    @property
    def is_blocked(self) -> bool:
        """Whether every thread should."""
        threads = self._location.app_threads
        return len(self._schedule.running) >= threads and self._count_late() >= threads

    @property
    def is_busy(self) -> bool:
        """Whether the application's code runs, or is to run."""
        return bool(self._schedule.running) or self.is_awaited()

    def _count_late(self) -> int:
        now = time.monotonic()
        return sum(now > call.deadline + _RETURN_TIMEOUT for call in self._schedule.read_running())

    def run_last(self, work: Callable[[], None], seconds: float) -> bool:
        """Have `work` done in the thread that has loaded the application, or in another one where that is busy; whether
        it was done within so many seconds. Runs in the process that calls it, as it ends."""
        done = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                done.set()

        if self.is_busy:
            threading.Thread(target=run, name="exit handlers", daemon=True).start()
        else:
            self._executors[0].submit(run)
        return done.wait(seconds)

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds."""
        self.last_moment = min(moment, self.last_moment or moment)
