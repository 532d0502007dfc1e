"""An application's room: the threads of a worker that run its code, by default one, as its authors are used to.

Rules: the application is imported in the thread that calls it; whoever waits, waits in a queue that has an end; a
thread that does not come back in time is given up, and the worker with it. Called by the application responder.
"""

import importlib
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from gemd.config.settings import Location
from gemd.responders.app_call import App, Call, Environ

_MOST_WAITING = 256  # calls for each application


class AppLoadError(Exception):
    """An application can't be loaded; the text says which and why. What it raised is the cause."""


class AppRoom:
    """The threads of one application. It is loaded by `load`, after the fork, or was before."""

    def __init__(self, location: Location, seconds: float) -> None:
        self.name = location.app or ""
        self.is_stuck = False
        self.last_moment: float | None = None
        self._location = location
        self._seconds = seconds
        self._threads: ThreadPoolExecutor | None = None
        self._app: App | None = None
        self._present = 0

    def preload(self) -> None:
        """Load the application in the master. Raises AppLoadError."""
        with ThreadPoolExecutor(1) as threads:
            self._app = self._load_by(threads)

    def open(self) -> None:
        """Start the first thread, and load the application in it. Runs in the worker. Raises AppLoadError."""
        threading.stack_size(0)
        self._threads = ThreadPoolExecutor(self._location.app_threads, thread_name_prefix=self.name)
        if self._app is None:
            self._app = self._load_by(self._threads)

    def _load_by(self, threads: ThreadPoolExecutor) -> App:
        future = threads.submit(load_app, self._location)
        error = future.exception()
        if error is not None:
            raise AppLoadError(f"the application {self.name} can't be loaded: {error!r}") from error
        return future.result()

    def has_place(self) -> bool:
        """Whether a call would be taken up in time, as far as one can know."""
        return not self.is_stuck and self._present < _MOST_WAITING

    def make_call(self, environ: Environ) -> Call:
        """A call that `begin` begins."""
        assert self._app is not None
        return Call(self, self._app, environ, self._seconds)

    def begin(self, call: Call) -> None:
        """Have a thread run the application's code, or go on with it."""
        assert self._threads is not None
        self._present += 1
        threading.stack_size(0)  # the system's own, for who knows what the application does
        future = self._threads.submit(call.run)
        future.add_done_callback(lambda done: self._finish(call, done))

    def _finish(self, call: Call, done: "Future[None]") -> None:
        """Runs in the thread that ran the code."""
        self._present -= 1
        call.finish(done.exception())


def load_app(location: Location) -> App:
    """Import the location's application, with its environment and its path, and call it if it is a factory.

    Raises whatever its code raises.
    """
    assert location.app is not None
    os.environ.update(location.app_env)
    if location.app_path is not None and location.app_path not in sys.path:
        sys.path.insert(0, location.app_path)
    module_name, _, name = location.app.partition(":")
    thing: object = importlib.import_module(module_name)
    for part in name.removesuffix("()").split("."):
        thing = getattr(thing, part)
    if name.endswith("()"):
        if not callable(thing):
            raise TypeError(f"{location.app}: {name.removesuffix('()')} can't be called")
        options = {key.replace("-", "_"): value for key, value in location.app_options.items()}
        thing = thing(**options)
    if not callable(thing):
        raise TypeError(f"{location.app} is no application: it can't be called")
    return thing
