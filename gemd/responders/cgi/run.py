"""One run of a script, as an answer: first its header is awaited, then it is the body.

Rules: a script's output is an answer only if its first line is a header; it has a time for the header and one for all;
the client learns that it failed, the error log why.
"""

import time
from collections.abc import Collection
from functools import partial

from gemd.config.script_settings import ScriptSettings
from gemd.protocol.errors import CGIError
from gemd.protocol.response import BrokenBody, Helper, Response
from gemd.protocol.status import has_body
from gemd.responders.cgi.header import FindHeader, find_header, quote
from gemd.responders.cgi.last_words import log_complaints, log_strays, log_what_went_on
from gemd.responders.cgi.start import ScriptStart
from gemd.system.log import error_log
from gemd.system.running_script import Remains, RunningScript
from gemd.system.script_output import ScriptError, ScriptExit
from gemd.system.script_threads import ScriptThreads

_MAX_UNSENT = 4 * 1024 * 1024  # bytes that follow a header without a body


class ScriptRun:
    """What is begun by `start`, read, and ended by `threads`; `find_header` has its header."""

    def __init__(
        self,
        start: ScriptStart,
        name: str,
        settings: ScriptSettings,
        max_output: int,
        threads: ScriptThreads,
        find_header: FindHeader = find_header,
    ) -> None:
        self._start = start
        self._name = name
        self._threads = threads
        self._find_header = find_header
        self._settings = settings
        self._set_deadlines()  # for its turn to come
        self._too_late = f"did not end within {settings.timeout:g} s ({settings.timeout_key})"
        self._no_header = f"wrote no header within {settings.header_timeout:g} s ({settings.header_timeout_key})"
        if settings.timeout < settings.header_timeout:
            self._no_header = self._too_late
        self._max_output = max_output
        self._is_new = True
        self._script: RunningScript | None = None  # once it is known to run
        self._is_over = False
        self._has_answered = False  # in full
        self._output = b""  # that was read and not taken yet
        self._size = 0
        self._header: tuple[int, str] | None = None

    def _set_deadlines(self) -> None:
        now = time.monotonic()
        self._end_at = now + self._settings.timeout
        self._header_at = now + min(self._settings.header_timeout, self._settings.timeout)

    def begin(self, helper: Helper) -> None:
        """Have it started, when it has its turn."""
        self._start.begin(helper, self._set_deadlines, self._end)

    # Reading

    @property
    def descriptors(self) -> Collection[int]:
        """The script's."""
        return self._start.descriptors

    @property
    def deadline(self) -> float:
        """When its time is over, for the header or for all."""
        limit = self._end_at if self._header is not None else self._header_at
        script = self._script
        return min(limit, self._start.look_at) if script is None else min(limit, script.deadline)

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
            error_log.error("script %s %s", self._name, error)
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
            error_log.warning("script %s %s after its answer %d", self._name, error, status)
        return Response(status, meta)

    def read(self) -> bytes | None:
        """The next piece of the body. Raises BrokenBody."""
        try:
            data = self._read_piece()
        except ScriptExit as error:
            if self._settings.cgi.exit_status == "strict":
                raise BrokenBody(f"script {self._name} {error}") from None
            error_log.warning("script %s %s after its answer, which is whole", self._name, error)
            data = b""
        except ScriptError as error:
            raise BrokenBody(f"script {self._name} {error}") from None
        self._has_answered |= data == b""
        return data

    def _read_piece(self) -> bytes | None:
        """What comes behind the header. Raises ScriptError."""
        data = self._output or self._read(self._end_at, self._too_late)
        self._output = b""
        if data:
            self._size += len(data)
            if self._size > self._max_output:
                raise ScriptError(f"wrote more than {self._max_output} bytes (limits.cgi-output)")
        return data

    def _read(self, deadline: float, late: str) -> bytes | None:
        """What the script has written. Raises ScriptError: with the text `late` when the deadline has passed."""
        script = self._script
        if script is None:
            script = self._script = self._start.find_started()
        if time.monotonic() >= deadline and not (script is not None and script.has_ended()):
            raise ScriptError(late)
        try:
            data = script.read() if script is not None else None
        except ScriptExit:
            self._is_over = True
            raise
        self._is_over = data == b""
        return data

    # The end

    def close(self) -> None:
        """End the script if it has not ended; one that a thread is starting ends when it is."""
        self._start.close()

    def _end(self, script: RunningScript) -> None:
        after = self._settings.cgi.after if self._has_answered else 0.0
        self._threads.end(script, is_over=self._is_over, then=partial(self._note_end, script), after=after)

    def _note_end(self, script: RunningScript, remains: Remains) -> None:
        """Runs in the thread that ends scripts, or in the event loop."""
        self._start.leave()
        if self._has_answered:
            log_what_went_on(self._name, self._settings, remains)
        log_strays(self._name, remains)
        log_complaints(f"script {self._name}", script.stderr)
