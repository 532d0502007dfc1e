"""An application's threads: those of a process that run its code, by default one, as its authors are used to.

Rules: the application is imported in the thread that calls it; calls wait in a queue that has an end, from which
clients take turns; a thread that does not come back in time is given up, and its process with it.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol

from gemd.config.host_settings import Location
from gemd.protocol.url import Url
from gemd.responders.app.call import Call
from gemd.responders.app.contract import App, Environ
from gemd.responders.app.event_loops import prepare_event_loop, wait_in_event_loop
from gemd.responders.app.faults import note_hint
from gemd.responders.app.load import AppLoadError, load_named
from gemd.responders.app.running import RunningCall
from gemd.responders.app.schedule import Schedule
from gemd.responders.app.speech import Wait
from gemd.responders.app.work_thread import WorkThread
from gemd.system.attempt import attempt
from gemd.system.forked import end_if_forked
from gemd.system.places import find_share

_MAX_WAITING = 256  # calls for each application
_RETURN_TIMEOUT = 2.0  # seconds for a call's code to come back when its time is over: until its next chunk, mostly


P = ParamSpec("P")


class Thread(Protocol):
    """A thread that does what it is given, one after the other."""

    def submit(self, act: Callable[P, object], /, *values: P.args, **named: P.kwargs) -> object:
        """Have something done. Raises RuntimeError where there can be no such thread."""


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
        first: Thread | None = None,
        wait: Wait = wait_in_event_loop,
        number: int | None = None,
    ) -> None:
        """`where` is the path of its key in the configuration, `seconds` are for each answer. `first` is one of the
        threads, if there is one already, and `wait` is how one waits in them. There are `number`, or as many as the
        location says."""
        self.name = location.app or ""
        self.last_moment: float | None = None
        self.wait = wait
        self._location = location
        self._where = where
        self._seconds = seconds
        self._under_way: Board | None = None
        self.pid = 0  # of the process that calls the application
        self._number = number or location.app_threads
        self._first = first
        self._threads: list[Thread] = []
        self._app: App | None = None
        self._schedule: Schedule[RunningCall] = Schedule(self._number)

    def preload(self) -> None:
        """Load the application where it is to be shared by all workers: in the master. Raises AppLoadError."""
        with attempt(f"the application {self.name} could not be loaded"), ThreadPoolExecutor(1) as executor:
            self._app = executor.submit(load_named, self._location, self._where).result()

    def open(self, under_way: Board | None) -> None:
        """Start the first thread, and load the application in it. What its code runs for is shown in `under_way`. Runs
        in the process that calls it. Raises AppLoadError."""
        self._under_way = under_way
        loaded: Future[App] = Future()
        self._first = self._make_thread()
        self._first.submit(self._load, loaded)
        self.use(loaded.result())

    def _load(self, loaded: "Future[App]") -> None:
        """Runs in the first thread."""
        try:
            loaded.set_result(self._app if self._app is not None else load_named(self._location, self._where))
        except AppLoadError as error:
            loaded.set_exception(error)

    def use(self, app: App) -> None:
        """Have the first thread call this application, in which it was loaded."""
        self._app = app
        self.pid = os.getpid()
        others = [self._make_thread() for _ in range(self._number - 1)]
        self._threads = [self._first or self._make_thread(), *others]

    def _make_thread(self) -> WorkThread:
        """One thread, which is started when it is first needed."""
        threading.stack_size(0)  # the system's own, for who knows what the application does
        return WorkThread(self.name)

    # Calls

    def has_place(self, client: str) -> bool:
        """Whether a client's call would be taken up in time, as far as one can know."""
        schedule = self._schedule
        if schedule.waiting >= _MAX_WAITING:
            return False
        if schedule.waiting and schedule.count_waiting(client) >= find_share(_MAX_WAITING):
            return False
        return not self.is_blocked

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
            self._threads[thread].submit(self._run, thread, call)
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
            end_if_forked(self.pid, sys.exception())
            if board is not None:
                board.end(shown)
            following = self._schedule.leave(thread)
            if following is not None:
                self._start(thread, following)
            if is_over:  # told last: who is woken wants the interpreter
                call.finish(note_hint(sys.exception()))

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
        return len(self._schedule.running) >= self._number and self._count_late() >= self._number

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
            self._threads[0].submit(run)
        return done.wait(seconds)

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds."""
        self.last_moment = min(moment, self.last_moment or moment)
