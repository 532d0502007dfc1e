"""One call of an application, by Jetforce's contract: app(environ, send_status) gives bytes or str to send, or nothing.

Rules: the application's code runs in one of its threads and nowhere else; what it says is kept until the event loop
takes it, which never waits for it; a status may be said again until the first byte is there.
"""

import threading
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from gemd.protocol.errors import CGIError, GeminiError, Overloaded
from gemd.protocol.response import BrokenBody, ClientLeft, Helper, Response, encode_header
from gemd.protocol.status import has_body
from gemd.protocol.url import Url
from gemd.responders.app.contract import App, AppError, Environ, check_result, close_result, encode_chunk
from gemd.responders.app.output import PIECE_SIZE, Output
from gemd.system.log import error_log

_MAX_AHEAD = 64 * 1024  # bytes that an application may be ahead of its client
_TURN_TIME = 0.01  # seconds for which a call may have its thread while others wait for one


class Threads(Protocol):
    """The threads that run an application's code. `last_moment` is when everything ends, in monotonic seconds."""

    name: str
    last_moment: float | None

    @property
    def is_blocked(self) -> bool:
        """Whether no thread will come back for those who wait."""

    def is_awaited(self) -> bool:
        """Whether somebody waits for a thread."""

    def begin(self, call: "Call") -> None:
        """Have a thread run the application's code, or go on with it."""


class Call:
    """What the application has said so far. `seconds` are for the whole answer. First its header is awaited, then it is
    the body, unless that is complete by then."""

    descriptors: Collection[int] = ()

    def __init__(self, threads: Threads, app: App, url: Url, environ: Environ, seconds: float) -> None:
        self.threads = threads
        self.url = url
        self.deadline = time.monotonic() + seconds
        self.client = ""  # whose turn it takes
        self.is_over = False
        self.error: BaseException | None = None  # why it failed
        self._helper: Helper | None = None
        self._app = app
        self._environ = environ
        self._status: tuple[int, str] | None = None
        self._output = Output()
        self._has_begun = False
        self._has_answered = False  # its first byte, or its end, is there
        self._is_awaited = True  # by the event loop, which is to be woken
        self._is_abandoned = False
        self._is_paused = False
        self._is_list = False  # all of the body is there at once
        self._lock = threading.Lock()
        self._iterable: Iterable[bytes | str | None] | None = None
        self._iterator: Iterator[bytes | str | None] | None = None

    # In a thread of the application's

    def run(self) -> bool:
        """Begin, or go on. Whether the application has no more to say; if so, or if it raises, `finish` follows.

        Else it is far enough ahead of its client, who has it go on, or it gives way to others.
        """
        is_over = True
        try:
            is_over = self._advance()
        finally:
            if is_over:
                close_result(self._iterable)
        return is_over

    def _advance(self) -> bool:
        with self._lock:
            if self._is_abandoned:
                return True
            self._has_begun = True
        turn = time.monotonic() + _TURN_TIME
        if self._iterator is None:
            result = self._app(self._environ, self._send_status)
            self._is_list = isinstance(result, (list, tuple, bytes, str, type(None)))
            self._iterable = check_result(result)
            self._iterator = iter(self._iterable)
        for chunk in self._iterator:
            self._say(encode_chunk(chunk))
            with self._lock:
                if self._is_abandoned:
                    return True
                if len(self._output) >= _MAX_AHEAD:
                    self._is_paused = True
                    return False
            if self.threads.is_awaited() and time.monotonic() >= turn and not self._is_list:
                self.threads.begin(self)  # goes on when others have had their turn: the last thing here
                return False
        if self._status is None:
            raise AppError("never called send_status")
        return True

    def finish(self, error: BaseException | None) -> None:
        """It is over; `error` is what the application raised, if anything."""
        with self._lock:
            self.is_over = True
            self.error = self.error or error
        self._wake()

    def _wake(self) -> None:
        """There is something new."""
        with self._lock:
            self._has_answered = True
            is_awaited, self._is_awaited = self._is_awaited, False
        if is_awaited and self._helper is not None:
            self._helper.wake()

    def _send_status(self, status: int, meta: str) -> None:
        """What the application calls. Once a byte is there, it is too late."""
        if not self._has_answered and not self._output:
            self._status = (int(status), str(meta))

    def _say(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._status is None:
            raise AppError("sent a body before it called send_status")
        with self._lock:
            if self._is_abandoned:
                return
            self._output.append(chunk)
            # A list is told of when it is complete, so that it goes out in one piece.
            waits_for_more = self._is_list and len(self._output) < _MAX_AHEAD
        if not waits_for_more:
            self._wake()

    # In the event loop

    def begin(self, helper: Helper) -> None:
        """Have a thread call the application."""
        self._helper = helper
        self.client = helper.client
        self.threads.begin(self)

    def settle(self) -> Response | None:
        """What to send: all of it where it is over, else this as the body; None while there is nothing to say.

        Raises CGIError (42) where it failed before its first byte, and Overloaded (41) where it could not begin.
        """
        if self._is_late():
            self._give_up()
        with self._lock:
            if not self._has_answered:
                return None
            error, has_chunks = self.error, bool(self._output)
            is_whole = self.is_over and error is None and len(self._output) <= PIECE_SIZE
            body = self._output.take() if is_whole else b""
        name = self.threads.name
        if error is not None and not has_chunks:
            if isinstance(error, GeminiError):
                raise error
            error_log.error("the application %s failed", name, exc_info=error)
            raise CGIError("An unexpected error occurred")
        assert self._status is not None
        status, meta = self._status
        _check_header(name, status, meta)
        if has_body(status):
            return Response(status, meta, body if is_whole else self)
        if error is not None:
            error_log.error("the application %s failed after its answer %d", name, status, exc_info=error)
        return Response(status, meta)

    def _is_late(self) -> bool:
        """Whether nobody can wait any longer for its first byte."""
        is_waiting_in_vain = self.threads.is_blocked and not self._has_begun
        return not self._has_answered and (self._has_timed_out() or self._must_end() or is_waiting_in_vain)

    def _has_timed_out(self) -> bool:
        return time.monotonic() >= self.deadline

    def _must_end(self) -> bool:
        """Whether the worker ends, and cannot wait any longer."""
        moment = self.threads.last_moment
        return moment is not None and time.monotonic() >= moment

    def _give_up(self) -> None:
        """Answer in its place; one that had no thread yet is told that too much goes on.

        Its thread may be busy with it for longer.
        """
        with self._lock:
            if self._has_answered:
                return
            self._is_abandoned = self._has_answered = self.is_over = True
            self._is_awaited = False
            self._output.clear()
            self.error = CGIError("The application took too long") if self._has_begun else Overloaded()
        if self._has_begun:
            limit = "timeouts.app" if self._has_timed_out() else "timeouts.stop"
            error_log.error("the application %s did not answer in time (%s)", self.threads.name, limit)

    def read(self) -> bytes | None:
        """What has come since. Raises BrokenBody when the application failed or takes too long, and ClientLeft when the
        worker ends."""
        name = self.threads.name
        if self._has_timed_out() and not self.is_over:
            raise BrokenBody(f"the application {name} took too long (timeouts.app)")
        if self._must_end() and not self.is_over:  # as planned, so that it is no warning
            raise ClientLeft(f"the application {name} goes on, and its worker ends")
        with self._lock:
            data = self._output.take()
            must_resume = self._is_paused and len(self._output) < _MAX_AHEAD
            self._is_paused = self._is_paused and not must_resume
            is_over, error = self.is_over, self.error
            self._is_awaited = not data and not is_over
        if must_resume:
            self.threads.begin(self)
        if data:
            return data
        if not is_over:
            return None
        if error is not None:
            raise BrokenBody(f"the application {name} failed: {error!r}") from error
        return b""

    def close(self) -> None:
        """Nobody listens any longer: let the application clean up, unless it is over."""
        with self._lock:
            self._is_abandoned = True
            self._is_awaited = False
            must_resume, self._is_paused = self._is_paused, False
        if must_resume:
            self.threads.begin(self)


def _check_header(name: str, status: int, meta: str) -> None:
    """Raise CGIError (42) for a header that may not be sent."""
    try:
        encode_header(status, meta)
    except ValueError as error:
        error_log.error("the application %s failed: %s", name, error)
        raise CGIError("An unexpected error occurred") from None
