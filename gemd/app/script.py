"""Scripts that an application runs: gemd's own runner, with its limits and time-outs as they are by default."""

import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from gemd.app.response import Environ, Response, Status
from gemd.app.upload import find_upload
from gemd.config.cgi_settings import CGISettings
from gemd.config.script_settings import ScriptSettings
from gemd.config.settings import Limits, Timeouts
from gemd.protocol.characters import percent_encode
from gemd.protocol.errors import CGIError
from gemd.protocol.response import Target
from gemd.responders.cgi.environ import own_variables
from gemd.responders.cgi.run import ScriptRun
from gemd.responders.cgi.start import ScriptStart
from gemd.system.addresses import look_up
from gemd.system.places import Places
from gemd.system.script import Script
from gemd.system.script_limits import NO_LIMITS
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS

_SETTINGS = ScriptSettings(CGISettings(), Timeouts().cgi, Timeouts().cgi_header)
_MAX_OUTPUT = Limits().cgi_output


def run_script(path: str, environ: Environ) -> Response:
    """Run the program at `path` and give what it answers: 42 when it fails, and the error log says why.

    Its environment is the upper-case entries of `environ`, and PATH, LANG and GATEWAY_INTERFACE; what is uploaded is
    its standard input.
    """
    given = {key: percent_encode(str(value)) for key, value in environ.items() if key.isupper()}
    waiter = _Waiter(path, {**own_variables(_SETTINGS.cgi), **given}, _copy_body(environ))
    try:
        status, meta, has_body = waiter.wait_for_header()
    except CGIError as error:
        waiter.close()
        return Response(Status.CGI_ERROR, error.meta)
    if has_body:
        body = waiter.read_all()
        next(body)  # from here on it lets go of everything, even if nobody wants more of it
        return Response(status, meta, body)
    waiter.close()
    return Response(status, meta)


def _copy_body(environ: Environ) -> int | None:
    """A descriptor of what is uploaded, from its beginning; None for nothing."""
    upload = find_upload(environ)
    return os.dup(upload.body.fileno()) if upload is not None and upload.size else None


def _make(file: ScriptFile, environ: Mapping[str, str]) -> Script:
    return Script(file, environ, NO_LIMITS)


class _Waiter:
    """Waits for a script in the application's own thread, which is what an application may do."""

    client = ""  # of its `Helper`: nobody else shares its place

    def __init__(self, path: str, environ: Mapping[str, str], body: int | None) -> None:
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        file, places = ScriptFile(path, body=body), Places(1, 1)
        start = ScriptStart(file, environ, _make, SCRIPT_THREADS, places)
        self._run = ScriptRun(start, path, _SETTINGS, _MAX_OUTPUT, SCRIPT_THREADS)
        self._run.begin(self)

    def wake(self) -> None:
        """The script was started."""
        os.eventfd_write(self._wakeup, 1)

    def run(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """Nothing else takes a thread here."""
        work()
        return lambda: None

    def resolve(self, host: str, port: int) -> Sequence[Target] | None:
        """The addresses of a server, which may be waited for here. Raises ResolveError."""
        return look_up(host, port)

    def forget(self, host: str, port: int) -> None:
        """Nothing is waited for."""

    def show(self) -> AbstractContextManager[None]:
        """The application is shown already."""
        return nullcontext()

    def wait_for_header(self) -> tuple[int, str, bool]:
        """Status, META and whether a body follows. Raises CGIError."""
        while (response := self._run.settle()) is None:
            self._wait()
        return response.status, response.meta, response.body is self._run

    def read_all(self) -> Iterator[bytes]:
        """The body, as it comes; its first piece is empty. Raises BrokenBody."""
        try:
            yield b""
            while (data := self._run.read()) != b"":
                if data is None:
                    self._wait()
                else:
                    yield data
        finally:
            self.close()

    def _wait(self) -> None:
        poll = select.poll()
        for descriptor in (self._wakeup, *self._run.descriptors):
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, min(1.0, self._run.deadline - time.monotonic())) * 1000)
        try:
            os.eventfd_read(self._wakeup)
        except BlockingIOError:
            return

    def close(self) -> None:
        """End the script."""
        self._run.close()
        os.close(self._wakeup)
