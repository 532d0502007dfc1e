"""One run of a script, as an answer: first its header is awaited, then it is the body.

Rules: a script's output is an answer only if its first line is a header; it has a time for the header and one for all;
the client learns that it failed, the error log why.
"""

from collections.abc import Collection

from gemd.config.script_settings import ScriptSettings
from gemd.protocol.errors import CGIError
from gemd.protocol.response import BrokenBody, Response
from gemd.protocol.status import has_body
from gemd.responders.cgi.header import FindHeader, find_header, quote
from gemd.responders.cgi.program_run import ProgramRun
from gemd.responders.cgi.start import ScriptStart
from gemd.system.log import error_log
from gemd.system.script_output import ScriptError, ScriptExit
from gemd.system.script_threads import ScriptThreads

_MAX_UNSENT = 4 * 1024 * 1024  # bytes that follow a header without a body


class ScriptRun(ProgramRun):
    """A run of a script that was asked for by a URL with this path; `find_header` has its header."""

    def __init__(
        self,
        start: ScriptStart,
        name: str,
        settings: ScriptSettings,
        max_output: int,
        threads: ScriptThreads,
        find_header: FindHeader = find_header,
    ) -> None:
        super().__init__(start, f"script {name}", settings, max_output, threads)
        self._find_header = find_header
        self._no_header = f"wrote no header within {settings.header_timeout:g} s ({settings.header_timeout_key})"
        if settings.timeout < settings.header_timeout:
            self._no_header = self._too_late
        self._is_new = True
        self._header: tuple[int, str] | None = None

    @property
    def descriptors(self) -> Collection[int]:
        """The script's."""
        return self._start.descriptors

    @property
    def deadline(self) -> float:
        """When its time is over, for the header or for all."""
        return self._find_deadline(self._end_at if self._header is not None else self._header_at)

    def settle(self) -> Response | None:
        """The answer once the header is there; one without a body is known when the script has ended.

        Raises CGIError (42) for a script that failed, and Overloaded (41) where its turn does not come.
        """
        if self._is_new:
            self._is_new = False
            return None  # who asks at once is not to wait for the start
        self._start.refuse_late(self._header_at)
        try:
            return self._settle()
        except ScriptError as error:
            error_log.error("%s %s", self._who, error)
            raise CGIError("The script failed") from None

    def _settle(self) -> Response | None:
        while self._header is None:
            data = self._read(self._header_at, self._no_header)
            if data is None:
                return None
            self._output += data
            if not data:
                shown = f": {quote(self._output)}" if self._output else ""
                raise ScriptError(f"ended without a header{shown}")
            found = self._find_header(self._output)
            if found is not None:
                status, meta, self._output = found
                self._header = status, meta
        status, meta = self._header
        if has_body(status):
            return Response(status, meta, self)
        try:
            if self._read_piece() != b"":
                if self._size > _MAX_UNSENT:
                    raise ScriptError(f"wrote more than {_MAX_UNSENT} bytes that are not sent")
                return None  # to be asked again at once if there is more: others have their turn before
            self._has_answered = True
        except ScriptError as error:
            self._has_answered = isinstance(error, ScriptExit)
            error_log.warning("%s %s after its answer %d", self._who, error, status)
        return Response(status, meta)

    def read(self) -> bytes | None:
        """The next piece of the body. Raises BrokenBody."""
        try:
            data = self._read_piece()
        except ScriptExit as error:
            if self._settings.cgi.exit_status == "strict":
                raise BrokenBody(f"{self._who} {error}") from None
            error_log.warning("%s %s after its answer, which is whole", self._who, error)
            data = b""
        except ScriptError as error:
            raise BrokenBody(f"{self._who} {error}") from None
        self._has_answered |= data == b""
        return data
