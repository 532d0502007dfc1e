"""One call of an application, by Jetforce's contract: app(environ, send_status) gives bytes or str to send, or nothing.

Rules: the application's code runs in a thread of its room and nowhere else; what it says is kept here until the server
takes it; a status may be said again until the first byte is there. Made by the application responder.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from gemd.protocol.errors import CGIError, GeminiError, Overloaded
from gemd.protocol.response import BrokenBody, Response, encode_header
from gemd.protocol.status import has_body
from gemd.system.deadline import Deadline
from gemd.system.log import error_log

Environ = dict[str, object]
SendStatus = Callable[[int, str], None]
App = Callable[[Environ, SendStatus], Iterable[bytes | str] | None]

_AHEAD = 64 * 1024  # bytes that an application may be ahead of its client
_LOOK = 1.0  # seconds at most between two looks at whether everything has to end


class AppError(Exception):
    """An application does not keep to the contract; the text says how, for the log."""


class Room(Protocol):
    """The threads that run an application's code."""

    name: str
    is_stuck: bool
    last_moment: float | None

    def begin(self, call: "Call") -> None:
        """Have a thread run the application's code, or go on with it."""


class Call:
    """What the application has said so far. `seconds` are for the whole answer."""

    def __init__(self, room: Room, app: App, environ: Environ, seconds: float) -> None:
        self.room = room
        self.deadline = Deadline(seconds)
        self.wake: Callable[[], None] = lambda: None  # told once, when there is something to send
        self.has_begun = False  # a thread has taken it up
        self.is_running = False  # its code runs at this moment
        self.is_over = False
        self.error: BaseException | None = None
        self._app = app
        self._environ = environ
        self._status: tuple[int, str] | None = None
        self._chunks: deque[bytes] = deque()
        self._ahead = 0
        self._has_woken = False
        self._is_abandoned = False
        self._is_paused = False
        self._changed = threading.Condition()
        self._iterable: Iterable[bytes | str] | None = None
        self._iterator: Iterator[bytes | str] | None = None

    # In a thread of the application's room

    def run(self) -> None:
        """Begin, or go on where it paused: until it is over, or far enough ahead of the client.

        What the application raises is raised; `finish` has to be called with it.
        """
        with self._changed:
            self.is_running = not self._is_abandoned
            self.has_begun = self.has_begun or self.is_running
        if not self.is_running:
            self._close()
            return
        if self._iterator is None:
            self._iterable = _check(self._app(self._environ, self._send_status))
            self._iterator = iter(self._iterable)
        for chunk in self._iterator:
            self._say(_encode(chunk))
            with self._changed:
                if self._is_abandoned:
                    break
                if self._ahead >= _AHEAD:
                    self.is_running, self._is_paused = False, True
                    return
        self._close()
        if self._status is None and not self._is_abandoned:
            raise AppError("never called send_status")

    def finish(self, error: BaseException | None) -> None:
        """The run has ended, as far as it went."""
        with self._changed:
            self.is_running = False
            if self._is_paused and error is None:
                return
            self.is_over = True
            self.error = self.error or error
            self._changed.notify()
        self._wake_once()

    def _wake_once(self) -> None:
        if not self._has_woken:
            self._has_woken = True
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
            if self.error is not None and not self._chunks:
                if isinstance(self.error, GeminiError):
                    raise self.error
                error_log.error("the application %s failed", self.room.name, exc_info=self.error)
                raise CGIError("An unexpected error occurred")
            assert self._status is not None
            status, meta = self._status
            _check_header(self.room.name, status, meta)
            if not self.is_over:
                return Response(status, meta, _Stream(self))
            body, self._chunks = b"".join(self._chunks), deque()
            if self.error is not None:
                return Response(status, meta, _Broken(body, self.error))
            return Response(status, meta, body if has_body(status) else b"")

    def is_late(self) -> bool:
        """Whether its time is over, or it waits for a thread that will not come back."""
        return not self.is_over and (self.deadline.has_passed() or (self.room.is_stuck and not self.has_begun))

    def expire(self) -> None:
        """Nobody waits any longer. One that was never begun is told that too much is going on."""
        with self._changed:
            self._is_abandoned = self._has_woken = True
            self.room.is_stuck = self.room.is_stuck or self.is_running
            if not self.is_over:
                self.is_over = True
                took, busy = "The application took too long", "Too much is going on, try again later"
                self.error = CGIError(took) if self.has_begun else Overloaded(busy)

    def abandon(self) -> None:
        """The client has left, or everything ends: let the application clean up."""
        with self._changed:
            self._is_abandoned = True
            must_resume, self._is_paused = self._is_paused, False
        if must_resume:
            self.room.begin(self)

    def take(self, seconds: float) -> bytes | None:
        """What has come since, waiting for it for at most `seconds`; b"" at the end, None when nothing has come.

        Raises BrokenBody when the application failed.
        """
        with self._changed:
            if not self._chunks and not self.is_over:
                self._changed.wait(seconds)
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._ahead -= len(data)
            must_resume = self._is_paused and self._ahead < _AHEAD
            self._is_paused = self._is_paused and not must_resume
            is_over, error = self.is_over, self.error
        if must_resume:
            self.room.begin(self)
        if data:
            return data
        if not is_over:
            return None
        if error is not None:
            raise BrokenBody(f"the application {self.room.name} failed: {error!r}") from error
        return b""


class _Stream:
    """The body of a call that is not over."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._is_done = False

    def __iter__(self) -> Iterator[bytes]:
        """Chunks as they come. Raises BrokenBody when the application fails, or takes too long."""
        call = self._call
        while not self._is_done:
            if call.deadline.has_passed():
                call.expire()
                raise BrokenBody(f"the application {call.room.name} took too long")
            if call.room.last_moment is not None and time.monotonic() >= call.room.last_moment:
                raise BrokenBody(f"the application {call.room.name} goes on, and its worker ends")
            data = call.take(min(_LOOK, call.deadline.remaining()))
            self._is_done = data == b""
            if data:
                yield data

    def close(self) -> None:
        """Tell the application that nobody listens any more."""
        if not self._is_done:
            self._call.abandon()


class _Broken:
    """The body of a call that has failed after it had begun to answer."""

    def __init__(self, begun: bytes, error: BaseException) -> None:
        self._begun = begun
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        """What there is. Raises BrokenBody at its end."""
        yield self._begun
        raise BrokenBody(f"the application failed: {self._error!r}") from self._error

    def close(self) -> None:
        """Nothing to let go of."""


def _check_header(name: str, status: int, meta: str) -> None:
    """Raise CGIError (42) for a header that may not be sent."""
    try:
        encode_header(status, meta)
    except ValueError as error:
        error_log.error("the application %s failed: %s", name, error)
        raise CGIError("An unexpected error occurred") from None


def _check(result: object) -> Iterable[bytes | str]:
    if result is None:
        return ()
    if isinstance(result, (bytes, str)):
        return (result,)
    if isinstance(result, Iterable):
        return result
    raise AppError(f"returned {_describe(result)}, not an iterable of bytes or str")


def _encode(chunk: object) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    raise AppError(f"gave {_describe(chunk)} where bytes or str were expected")


def _describe(thing: object) -> str:
    if hasattr(thing, "addCallback"):
        return "a Deferred (there is no reactor here: wait for the result, in a thread of app-threads if need be)"
    return f"an object of type {type(thing).__name__}"
