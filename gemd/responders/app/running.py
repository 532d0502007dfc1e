"""The half of a call that runs in a thread of the application's: its code, and what it says.

Rules: the application's code runs in one of its threads and nowhere else; what it says is kept until the event loop
takes it; a status may be said again until the first byte is there.
"""

import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from gemd.protocol.url import Url
from gemd.responders.app.contract import BODY, App, AppError, Environ, close_result
from gemd.responders.app.output import Output
from gemd.responders.app.speech import Cancel, Outcome, Speech
from gemd.system.forked import end_if_forked

MAX_AHEAD = 64 * 1024  # bytes that an application may be ahead of its client
_TURN_TIME = 0.01  # seconds for which a call may have its thread while others wait for one


class Hearer(Protocol):
    """Who takes what the application says. `client` is for whom it is, as limits count."""

    @property
    def client(self) -> str:
        """See `gemd.protocol.peer.Peer.client`."""

    def wake(self) -> None:
        """There is something new. May be called by any thread."""


class Threads(Protocol):
    """The threads that run an application's code. `last_moment` is when everything ends, in monotonic seconds,
    `pid` the process."""

    name: str
    last_moment: float | None
    pid: int

    @property
    def is_blocked(self) -> bool:
        """Whether no thread will come back for those who wait."""

    def is_awaited(self) -> bool:
        """Whether somebody waits for a thread."""

    def begin(self, call: "RunningCall") -> None:
        """Have a thread run the application's code, or go on with it."""

    def wait(self, awaitable: Awaitable[object], then: Callable[[Outcome], None]) -> Outcome | Cancel:
        """How one waits in such a thread: see `gemd.responders.app.speech.Wait`."""


class RunningCall:
    """What the application has said so far. `url` is None where nobody wants to know for what its code runs, `seconds`
    are for the whole answer."""

    def __init__(self, threads: Threads, app: App, url: Url | None, environ: Environ, seconds: float) -> None:
        self.threads = threads
        self.url = url
        self.deadline = time.monotonic() + seconds
        self.client = ""  # whose turn it takes
        self.thread: int | None = None  # where it has begun
        self.is_over = False
        self.error: BaseException | None = None  # why it failed
        self._helper: Hearer | None = None
        self._speech = Speech(app, environ, self._send_status)
        self._body = environ.get(BODY)
        self._outcome: Outcome | None = None  # of what the application has to wait for
        self._cancel: Cancel | None = None  # gives that up
        self._status: tuple[int, str] | None = None
        self._output = Output()
        self._has_begun = False
        self._has_answered = False  # its first byte, or its end, is there
        self._is_awaited = True  # by the event loop, which is to be woken
        self._is_abandoned = False
        self._is_paused = False
        self._lock = threading.Lock()

    def run(self) -> bool:
        """Begin, or go on. Whether the application has no more to say; if so, or if it raises, `finish` follows.

        Else it is far enough ahead of its client, who has it go on, or gives way to others, or waits for something.
        """
        is_over = True
        try:
            is_over = self._advance()
        finally:
            end_if_forked(self.threads.pid, sys.exception())  # before it closes what is its parent's as well
            if is_over:
                self._close()
        return is_over

    def _close(self) -> None:
        """Have the application clean up, and let go of what was uploaded."""
        try:
            if (closing := self._speech.close()) is not None:
                self.threads.wait(closing, lambda _: None)
        finally:
            if self._body is not None:
                close_result(self._body)

    def _advance(self) -> bool:
        with self._lock:
            if self._is_abandoned:
                return True
            self._has_begun = True
            outcome, self._outcome, self._cancel = self._outcome, None, None
        turn = time.monotonic() + _TURN_TIME
        while (step := self._speech.go_on(outcome)) is not None:
            end_if_forked(self.threads.pid, None)  # before it takes a lock that was held in the parent
            if not isinstance(step, bytes):
                outcome = self._await(step)
                if outcome is None:
                    return False
                continue
            outcome = None
            self._say(step)
            with self._lock:
                if self._is_abandoned:
                    return True
                if len(self._output) >= MAX_AHEAD:
                    self._is_paused = True
                    return False
            if self.threads.is_awaited() and time.monotonic() >= turn and not self._speech.is_list:
                self.threads.begin(self)  # goes on when others have had their turn: the last thing here
                return False
        if self._status is None:
            raise AppError("never called send_status")
        return True

    def _await(self, awaitable: Awaitable[object]) -> Outcome | None:
        """What it came to; None where the call goes on by itself when that is known."""
        outcome = self.threads.wait(awaitable, self._note_outcome)
        if isinstance(outcome, tuple):
            return outcome
        with self._lock:
            is_abandoned = self._is_abandoned
            if self._outcome is None:
                self._cancel = outcome
        if is_abandoned:
            outcome()
        return None

    def _note_outcome(self, outcome: Outcome) -> None:
        """Go on with it."""
        with self._lock:
            self._outcome, self._cancel = outcome, None
        self.threads.begin(self)

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
            waits_for_more = self._speech.is_list and len(self._output) < MAX_AHEAD
        if not waits_for_more:
            self._wake()

    # In the event loop

    def abandon(self, error: BaseException | None = None) -> bool:
        """Nobody listens any longer: have the application clean up, unless it is over. With an `error`, that is the
        answer, unless another one has begun; then nothing happens, which is told by False."""
        with self._lock:
            if error is not None and self._has_answered:
                return False
            if error is not None:
                self._has_answered = self.is_over = True
                self._output.clear()
                self.error = error
            self._is_abandoned = True
            self._is_awaited = False
            must_resume, self._is_paused = self._is_paused, False
            cancel, self._cancel = self._cancel, None
        if must_resume:
            self.threads.begin(self)
        if cancel is not None:
            cancel()
        return True
