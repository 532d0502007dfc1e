"""The application responder: Python code that answers everything below a location.

Rules: an application has its threads once in each worker, or a process of its own that all workers ask, however many
locations it is mounted at; what it can't answer in time is answered for it.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping

import msgspec

from gemd.config.app_settings import app_key, find_applications
from gemd.config.host_settings import Location
from gemd.config.settings import Config
from gemd.protocol.errors import Overloaded
from gemd.protocol.request import Request
from gemd.responders.app.call import Call
from gemd.responders.app.environ import build_app_environ, build_app_params
from gemd.responders.app.load import modules_read_anew
from gemd.responders.app.relayed import AppProcess, RelayedCall
from gemd.responders.app.threads import AppThreads, Board
from gemd.system.authorities import Authorities

NO_PROCESSES: Mapping[object, socket.socket] = {}
_POLL_INTERVAL = 0.01  # seconds between two looks at whether the applications have come to their end


class Applications:
    """All applications of a configuration. `made` is when they were, before any was loaded, in nanoseconds."""

    def __init__(
        self, config: Config, authorities: Authorities | None, processes: Mapping[object, socket.socket] = NO_PROCESSES
    ) -> None:
        """`processes` are what leads to those that have one of their own, by `app_key`."""
        self.made = time.time_ns()
        self._config = config
        self._authorities = authorities
        self._threads: dict[object, AppThreads] = {}
        self._processes: dict[object, AppProcess] = {}
        self._mounted: dict[str, AppThreads | AppProcess] = {}  # by where the location is in the file
        environments: dict[object, dict[str, str]] = {}
        for _, location in find_applications(config):
            environments.setdefault(app_key(location), {}).update(location.app_env)
        for where, location in find_applications(config):
            key, seconds = app_key(location), config.timeouts.app
            if key in processes:
                application = self._processes.setdefault(key, AppProcess(location.app or "", processes[key], seconds))
                self._mounted[location.where] = application
            else:
                whole = msgspec.structs.replace(location, app_env=environments[key])
                self._mounted[location.where] = self._threads.setdefault(key, AppThreads(whole, where, seconds))

    def preload(self) -> None:
        """Load those that all workers are to share. Runs in the master. Raises AppLoadError."""
        keys = {app_key(location): None for _, location in find_applications(self._config) if location.preload}
        with modules_read_anew() if keys else contextlib.nullcontext():
            for key in keys:
                self._threads[key].preload()

    def open(self, under_way: Board) -> None:
        """Load them; what their code runs for is shown in `under_way`. Runs in the worker. Raises AppLoadError."""
        for threads in self._threads.values():
            threads.open(under_way)

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds: the worker ends."""
        for application in self._mounted.values():
            application.end_by(moment)

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
        """Whether this process loads any itself."""
        return bool(self._threads)

    def __call__(self, request: Request, location: Location) -> Call | RelayedCall:
        """A call that is still to begin. Raises Overloaded (41) where too many wait already."""
        application = self._mounted[location.where]
        if isinstance(application, AppProcess):
            params = build_app_params(request, location, self._authorities)
            body = request.upload.body if request.upload is not None else None
            return RelayedCall(application, params, request.url.text, body.descriptor if body is not None else None)
        if not application.has_place(request.peer.client):
            raise Overloaded
        environ = build_app_environ(request, location, self._authorities)
        return application.make_call(request.url, environ)
