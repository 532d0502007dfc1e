"""One run of a program that answers: it begins when it has its turn, is read, and is ended with all that it began.

Rules: it has a time from its start on, and a number of bytes; `who` it is stands before all that the error log says of
it.
"""

import time
from functools import partial

from gemd.config.script_settings import ScriptSettings
from gemd.protocol.response import Helper
from gemd.responders.cgi.last_words import log_complaints, log_strays, log_what_went_on
from gemd.responders.cgi.start import ScriptStart
from gemd.system.running_script import Remains, RunningScript
from gemd.system.script_output import ScriptError, ScriptExit
from gemd.system.script_threads import ScriptThreads


class ProgramRun:
    """What is begun by `start`, read, and ended by `threads`."""

    def __init__(
        self, start: ScriptStart, who: str, settings: ScriptSettings, max_output: int, threads: ScriptThreads
    ) -> None:
        self._start = start
        self._who = who
        self._threads = threads
        self._settings = settings
        self._set_deadlines()  # for its turn to come
        self._too_late = f"did not end within {settings.timeout:g} s ({settings.timeout_key})"
        self._max_output = max_output
        self._script: RunningScript | None = None  # once it is known to run
        self._is_over = False
        self._has_answered = False  # in full
        self._output = b""  # that was read and not taken yet
        self._size = 0

    def _set_deadlines(self) -> None:
        now = time.monotonic()
        self._end_at = now + self._settings.timeout
        self._header_at = now + min(self._settings.header_timeout, self._settings.timeout)

    def begin(self, helper: Helper) -> None:
        """Have it started, when it has its turn."""
        self._start.begin(helper, self._set_deadlines, self._end)

    # Reading

    def _find_deadline(self, limit: float) -> float:
        """When to ask again at the latest, where its time is over at `limit`."""
        script = self._script
        return min(limit, self._start.look_at) if script is None else min(limit, script.deadline)

    def _read_piece(self) -> bytes | None:
        """What it has written of its answer, b"" at the end. Raises ScriptError."""
        data = self._output or self._read(self._end_at, self._too_late)
        self._output = b""
        if data:
            self._size += len(data)
            if self._size > self._max_output:
                raise ScriptError(f"wrote more than {self._max_output} bytes (limits.cgi-output)")
        return data

    def _read(self, deadline: float, late: str) -> bytes | None:
        """What it has written. Raises ScriptError: with the text `late` when the deadline has passed."""
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
        """End it if it has not ended; one that a thread is starting ends when it is."""
        self._start.close()

    def _end(self, script: RunningScript) -> None:
        after = self._settings.cgi.after if self._has_answered else 0.0
        self._threads.end(script, is_over=self._is_over, then=partial(self._note_end, script), after=after)

    def _note_end(self, script: RunningScript, remains: Remains) -> None:
        """Runs in the thread that ends scripts, or in the event loop."""
        self._start.leave()
        if self._has_answered:
            log_what_went_on(self._who, self._settings, remains)
        log_strays(self._who, remains)
        log_complaints(self._who, script.stderr)
