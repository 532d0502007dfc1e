"""One call of an application, by Jetforce's contract: app(environ, send_status) gives bytes or str to send, or nothing.

Rules: the application's code runs in one of its threads and nowhere else; what it says is kept here until the server
takes it; a status may be said again until the first byte is there.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from gemd.protocol.errors import CGIError, GeminiError, Overloaded
from gemd.protocol.response import BrokenBody, Response, encode_header
from gemd.protocol.status import has_body
from gemd.responders.app.contract import App, AppError, Environ, check_result, encode_chunk
from gemd.responders.app.stream import Stream, has_come
from gemd.system.deadline import Deadline
from gemd.system.log import error_log

_AHEAD = 64 * 1024  # bytes that an application may be ahead of its client
_YIELD_INTERVAL = 0.01  # seconds for which a call may have its thread while others wait for one


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
    """What the application has said so far. `seconds` are for the whole answer; `client` is a descriptor that hangs up
    when the client leaves, -1 for none."""

    def __init__(self, threads: Threads, app: App, environ: Environ, seconds: float, client: int = -1) -> None:
        self.threads = threads
        self.deadline = Deadline(seconds)
        self.client = client
        self.wake: Callable[[], None] = lambda: None  # told once, when there is something to send
        self.is_over = False
        self.error: BaseException | None = None  # why it failed
        self.gives_way = False  # it is to go on when others have had their turn
        self._app = app
        self._environ = environ
        self._status: tuple[int, str] | None = None
        self._chunks: deque[bytes] = deque()
        self._ahead = 0
        self._has_begun = False
        self._has_woken = False
        self._is_abandoned = False
        self._is_paused = False
        self._changed = threading.Condition()
        self._iterable: Iterable[bytes | str | None] | None = None
        self._iterator: Iterator[bytes | str | None] | None = None

    @property
    def name(self) -> str:
        """The application's."""
        return self.threads.name

    @property
    def last_moment(self) -> float | None:
        """When everything ends, in monotonic seconds."""
        return self.threads.last_moment

    def begin(self) -> None:
        """Have a thread run the application's code, or go on with it."""
        self.threads.begin(self)

    # In one of the application's threads

    def run(self) -> bool:
        """Begin, or go on. Whether the application has no more to say; if so, or if it raises, `finish` follows.

        Else it is far enough ahead of its client, who has it go on, or it gives way to others.
        """
        is_over = True
        try:
            is_over = self._advance()
        finally:
            if is_over:
                self._close()
        return is_over

    def _advance(self) -> bool:
        with self._changed:
            self.gives_way = False
            if self._is_abandoned:
                return True
            self._has_begun = True
        turn = time.monotonic() + _YIELD_INTERVAL
        if self._iterator is None:
            self._iterable = check_result(self._app(self._environ, self._send_status))
            self._iterator = iter(self._iterable)
        for chunk in self._iterator:
            self._say(encode_chunk(chunk))
            with self._changed:
                if self._is_abandoned:
                    return True
                if self._ahead >= _AHEAD:
                    self._is_paused = True
                    return False
                if self.threads.is_awaited() and time.monotonic() >= turn:
                    self.gives_way = True
                    return False
        if self._status is None:
            raise AppError("never called send_status")
        return True

    def finish(self, error: BaseException | None) -> None:
        """It is over; `error` is what the application raised, if anything."""
        with self._changed:
            self.is_over = True
            self.error = self.error or error
            self._changed.notify()
        self._wake_once()

    def _wake_once(self) -> None:
        with self._changed:
            is_first, self._has_woken = not self._has_woken, True
        if is_first:
            self.wake()

    def _close(self) -> None:
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()

    def _send_status(self, status: int, meta: str) -> None:
        """What the application calls. Once a byte is there, it is too late."""
        if not self._has_woken:
            self._status = (int(status), str(meta))

    def _say(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._status is None:
            raise AppError("sent a body before it called send_status")
        with self._changed:
            self._chunks.append(chunk)
            self._ahead += len(chunk)
            self._changed.notify()
        self._wake_once()

    # In the server's threads

    def answer(self) -> Response:
        """What to send: all of it where it is over, else what goes on.

        Raises CGIError (42) where it failed before its first byte, and Overloaded (41) where it could not begin.
        """
        with self._changed:
            error, has_chunks = self.error, bool(self._chunks)
            is_whole = self.is_over and error is None and self._ahead <= _AHEAD
            body = b"".join(self._chunks) if is_whole else b""
        if error is not None and not has_chunks:
            if isinstance(error, GeminiError):
                raise error
            error_log.error("the application %s failed", self.name, exc_info=error)
            raise CGIError("An unexpected error occurred")
        assert self._status is not None
        status, meta = self._status
        _check_header(self.name, status, meta)
        if has_body(status):
            return Response(status, meta, body if is_whole else Stream(self))
        self.abandon()
        if error is not None:
            error_log.error("the application %s failed after its answer %d", self.name, status, exc_info=error)
        return Response(status, meta)

    def is_late(self) -> bool:
        """Whether nobody can wait any longer for its first byte, and it has to be given up."""
        if self._has_woken:
            return False
        is_waiting_in_vain = self.threads.is_blocked and not self._has_begun
        return self.deadline.has_passed() or has_come(self.last_moment) or is_waiting_in_vain

    def give_up(self) -> bool:
        """End it, unless it has begun to answer; then False. One that had no thread yet is told that too much goes on.

        Its thread may be busy with it for longer, of which the threads take care.
        """
        with self._changed:
            if self._has_woken:
                return False
            self._is_abandoned = self._has_woken = self.is_over = True
            self.error = CGIError("The application took too long") if self._has_begun else Overloaded()
        if self._has_begun:
            limit = "timeouts.app" if self.deadline.has_passed() else "timeouts.stop"
            error_log.error("the application %s did not answer in time (%s)", self.name, limit)
        return True

    def abandon(self) -> None:
        """Nobody listens any longer: let the application clean up."""
        with self._changed:
            self._is_abandoned = True
            must_resume, self._is_paused = self._is_paused, False
        if must_resume:
            self.begin()

    def wake_waiters(self) -> None:
        """Wake threads blocked in `take`, so that they check the deadline."""
        with self._changed:
            self._changed.notify()

    def take(self, seconds: float) -> bytes | None:
        """What has come since, waiting for it for at most `seconds`; b"" at the end, None when nothing has come.

        Raises BrokenBody when the application failed.
        """
        with self._changed:
            if not self._chunks and not self.is_over:
                self._changed.wait(seconds)
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._ahead = 0
            must_resume, self._is_paused = self._is_paused, False
            is_over, error = self.is_over, self.error
        if must_resume:
            self.begin()
        if data:
            return data
        if not is_over:
            return None
        if error is not None:
            raise BrokenBody(f"the application {self.name} failed: {error!r}") from error
        return b""


def _check_header(name: str, status: int, meta: str) -> None:
    """Raise CGIError (42) for a header that may not be sent."""
    try:
        encode_header(status, meta)
    except ValueError as error:
        error_log.error("the application %s failed: %s", name, error)
        raise CGIError("An unexpected error occurred") from None
