"""Connections that are being answered: outboxes, and the sources that fill them.

Rules: nothing here waits for a client, a script, an application or a disk: whoever is not ready is heard of later. A
source is read only when the client has taken what was read before, so that a slow reader costs one piece. A complete
answer ends with close_notify, one that broke off never.
"""

import contextlib
import select
import time
from collections import deque
from collections.abc import Callable

from gemd.config.settings import Timeouts
from gemd.protocol.errors import GeminiError
from gemd.protocol.response import Answer, BrokenBody, ClientLeft, Pending, Response, encode_header
from gemd.protocol.status import has_body
from gemd.protocol.upload import Intake
from gemd.responders.counted import answer_refusal, note_eviction
from gemd.system.log import error_log
from gemd.system.tls import TLSError
from gemd.worker.closing import Closing
from gemd.worker.connection import Connection, ReportLoss
from gemd.worker.ordered import Ordered
from gemd.worker.pieces import Pieces
from gemd.worker.poller import Poller
from gemd.worker.waiting import AnswerHelper, Waiting

# What has to get through within one response timeout: 128 KiB in 30 seconds is 4 KB a second.
BLOCK_SIZE = 128 * 1024
_MAX_PARTS = 8  # of one answer in a turn, so that others have theirs
_MAX_TURN = 0.01  # seconds of it but for the last part: a part may be of pieces that take long to make


class Writing:
    """`ended` gets each connection whose answer is over, sent or broken off, once. In `blocked` are those whose client
    takes no more at the moment."""

    def __init__(
        self,
        poller: Poller[Connection],
        make_helper: Callable[[Connection], AnswerHelper],
        closing: Closing,
        timeouts: Timeouts,
        max_connections: int,
        ended: deque[Connection],
        report_loss: ReportLoss,
    ) -> None:
        self._poller = poller
        self._make_helper = make_helper
        self._closing = closing
        self._timeout = timeouts.response
        self.room = max_connections  # for those here, and those who linger
        self.take_place: Callable[[int], bool] = lambda _number: False  # of one elsewhere, if there are more than that
        self.take_upload: Callable[[Connection, Intake], None]  # there where anything has an Intake
        self._ended = ended
        self._report_loss = report_loss
        self.blocked: Ordered[Connection] = Ordered()  # who took enough last is the newest
        self._waiting = Waiting(poller, self.resume)  # for more of an answer, or for its header
        self._runnable: Ordered[Connection] = Ordered()  # had its turn, and could go on

    def __len__(self) -> int:
        return len(self.blocked) + len(self._waiting) + len(self._runnable)

    # An answer

    def answer(self, connection: Connection, answer: Answer | Intake) -> None:
        """Begin to send an answer. Raises whatever makes it impossible."""
        if isinstance(answer, Response):
            self._begin(connection, answer)
        elif isinstance(answer, Intake):
            self.take_upload(connection, answer)
        else:
            connection.pending = answer
            answer.begin(self._make_helper(connection))
            self._settle(connection, answer)

    def _settle(self, connection: Connection, pending: Pending) -> None:
        """See whether the answer is known by now."""
        try:
            answer = pending.settle()
        except GeminiError as refusal:
            answer = answer_refusal(refusal)
        except ClientLeft as error:
            self.drop(connection, str(error))
            return
        if answer is None:
            self._await(connection)
        elif isinstance(answer, Response) and answer.body is pending:  # type: ignore[comparison-overlap]
            connection.pending = None  # it has become the body itself
            self._begin(connection, answer, has_begun=True)
        else:
            self.replace(connection, answer)

    def _begin(self, connection: Connection, response: Response, *, has_begun: bool = False) -> None:
        connection.status, connection.meta = int(response.status), response.meta
        body = response.body
        if isinstance(body, bytes):
            if not has_body(response.status):
                body = b""
            if len(body) > BLOCK_SIZE:
                body, connection.source = b"", Pieces(body)
                connection.take_time()
            connection.head = encode_header(response.status, response.meta) + body
        else:
            connection.source = body  # which is closed with the connection, whatever follows
            connection.take_time()
            connection.head = encode_header(response.status, response.meta)
            if not has_begun:
                body.begin(self._make_helper(connection))
        self._pump(connection)

    def _pump(self, connection: Connection, _events: int = 0) -> None:
        """Go on until the client takes no more, there is no more yet, it is over, or others should have their turn."""
        try:
            if connection.outgoing and not connection.flush():
                self._block(connection)
                return
            over = time.monotonic() + _MAX_TURN
            for _ in range(_MAX_PARTS):
                is_known = connection.complete or connection.write_part()
                if not connection.flush():
                    self._block(connection)
                    return
                if connection.complete:
                    self._finish(connection)
                    return
                if not is_known:
                    self._await(connection)
                    return
                if time.monotonic() >= over:
                    break
        except (TLSError, ClientLeft) as error:
            self.drop(connection, str(error))
            return
        except BrokenBody as error:
            url = error_log.show_url(connection.url)
            error_log.warning("the response to %s broke off: %s", url, error, exc_info=error.__cause__)
            with contextlib.suppress(TLSError):
                connection.flush()  # what came before, if the client takes that
            self.drop(connection)
            return
        self._poller.await_end(connection.fd, self._notice_end, connection)
        self._runnable.add(connection)

    # Where it waits

    def _block(self, connection: Connection) -> None:
        """The client takes no more at the moment."""
        if connection not in self.blocked:
            connection.take_time()
            self._renew(connection)
            self._poller.modify(connection.fd, select.EPOLLOUT, self._pump, connection)
            self.evict_oldest()
        elif connection.progress >= BLOCK_SIZE:
            self._renew(connection)

    def _renew(self, connection: Connection) -> None:
        """The next block has the whole time again."""
        connection.renew(time.monotonic() + self._timeout)
        self.blocked.add(connection)

    def _await(self, connection: Connection) -> None:
        """There is no more yet."""
        connection.tls.shrink()
        self._poller.await_end(connection.fd, self._notice_end, connection)
        self._waiting.add(connection)

    def _notice_end(self, connection: Connection, events: int) -> None:
        """Only an error or the end of both directions is told: who has stopped sending alone may still read."""
        if events & (select.EPOLLERR | select.EPOLLHUP):
            self.drop(connection, "the client left")
        else:  # more than its request, which is of no interest
            self._poller.modify(connection.fd, 0, self._notice_end, connection)

    def resume(self, connection: Connection, _events: int = 0) -> None:
        """There may be more of an answer that is waited for."""
        if connection not in self._waiting:
            return
        connection.leave_state()
        if connection.pending is not None:
            self._settle(connection, connection.pending)
        else:
            self._pump(connection)

    def runnable(self) -> list[Connection]:
        """Those who could go on at once."""
        return list(self._runnable) if self._runnable else []

    def go_on(self, connection: Connection) -> None:
        """Give one of those its next turn."""
        if connection in self._runnable:
            self._pump(connection)

    # The end

    def _finish(self, connection: Connection) -> None:
        """All of it, with close_notify, is in the kernel."""
        connection.tls.shrink()
        self._waiting.unwatch(connection)
        self._ended.append(connection)
        self._closing.linger(connection)
        connection.let_go(is_over=True)
        self.evict_oldest()

    def drop(self, connection: Connection, reason: str = "") -> None:
        """End it without close_notify, so that the client can tell. A `reason` is no fault of ours, and is reported."""
        if reason:
            self._report_loss(connection, f"response broke off: {reason}")
        connection.complete = False
        connection.leave_state()
        self._waiting.unwatch(connection)
        self._poller.unregister(connection.fd)
        self._ended.append(connection)
        connection.close()

    def replace(self, connection: Connection, answer: Answer | Intake) -> None:
        """Send this instead, where nothing is sent yet."""
        connection.leave_state()
        self._waiting.unwatch(connection)
        connection.let_go()
        self.answer(connection, answer)

    def evict_oldest(self) -> None:
        """When there are too many, the oldest goes of those who linger, or else of those who read too slowly."""
        while len(self) + len(self._closing) > self.room:
            if not self._closing.drop_oldest() and not self.take_place(len(self)):
                if not self.blocked:
                    return
                note_eviction("slow")
                self.drop(self.blocked.oldest(), "too many read too slowly")

    # Deadlines

    def next_deadline(self) -> float:
        """When `expired` has somebody, in monotonic seconds."""
        return min(self.blocked.next_deadline(), self._waiting.next_deadline())

    def expired(self, now: float) -> list[Connection]:
        """Those whose deadline has passed: `time_out` them."""
        return self.blocked.expired(now) + self._waiting.expired(now)

    def time_out(self, connection: Connection, _now: float) -> None:
        """Its deadline has passed: drop it if it reads too slowly, or see how its answer gets on."""
        if connection not in self.blocked:
            self.resume(connection)
        elif connection.progress >= BLOCK_SIZE:
            self._renew(connection)
        else:
            self.drop(connection, "the client reads too slowly")
