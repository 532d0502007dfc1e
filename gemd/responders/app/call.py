"""One call of an application, by Jetforce's contract: app(environ, send_status) gives bytes or str to send, or nothing.

Rules: this half runs in the event loop, which never waits for the other one; first the header is awaited, then the call
is the body, unless that is complete by then.
"""

import time
from collections.abc import Collection

from gemd.protocol.errors import CGIError, GeminiError, Overloaded
from gemd.protocol.reference import clean_meta
from gemd.protocol.response import BrokenBody, ClientLeft, Response
from gemd.protocol.status import has_body, is_redirect
from gemd.responders.app.faults import explain_fault
from gemd.responders.app.output import PIECE_SIZE
from gemd.responders.app.running import MAX_AHEAD, Hearer, RunningCall
from gemd.system.log import error_log


class Call(RunningCall):
    """What the event loop sends, piece by piece."""

    descriptors: Collection[int] = ()

    def begin(self, helper: Hearer) -> None:
        """Have a thread call the application."""
        self._helper = helper
        self.client = helper.client
        self.threads.begin(self)

    def settle(self) -> Response | None:
        """What to send: all of it where it is over, else this as the body; None while there is nothing to say.

        Raises CGIError (42) where it failed before its first byte, and Overloaded (41) where it could not begin.
        """
        if not self._has_answered:
            if not self._is_late():
                return None
            self._give_up()
        with self._lock:
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
        meta = _check_header(name, status, meta)
        if has_body(status):
            return Response(status, meta, body if is_whole else self)
        if error is not None:
            error_log.error("the application %s failed after its answer %d", name, status, exc_info=error)
        return Response(status, meta)

    def _is_late(self) -> bool:
        """Whether nobody can wait any longer for its first byte."""
        return self._has_timed_out() or self._must_end() or (not self._has_begun and self.threads.is_blocked)

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
        if not self.abandon(CGIError("The application took too long") if self._has_begun else Overloaded()):
            return
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
            must_resume = self._is_paused and len(self._output) < MAX_AHEAD
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
            raise BrokenBody(f"the application {name} failed: {explain_fault(error)}") from error
        return b""

    def close(self) -> None:
        """Nobody listens any longer: let the application clean up, unless it is over."""
        self.abandon()


def _check_header(name: str, status: int, meta: str) -> str:
    """The text behind the status, as it is sent. Raises CGIError (42) for a header that may not be sent."""
    try:
        return clean_meta(status, meta)
    except ValueError as error:
        where = f" with a redirect to {error_log.show_url(meta)}" if is_redirect(status) else ""
        error_log.error("the application %s failed%s: %s", name, where, error)
        raise CGIError("An unexpected error occurred") from None
