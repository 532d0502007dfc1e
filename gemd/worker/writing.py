"""Connections that are being answered: outboxes, and the sources that fill them.

Rules: nothing here waits for a client, a script, an application or a disk: whoever is not ready is heard of later. A
source is read only when the client has taken what was read before, so that a slow reader costs one piece. A complete
answer ends with close_notify, one that broke off never.
"""

import math
import select
import time
from collections import deque
from collections.abc import Callable

from gemd.config.settings import Timeouts
from gemd.protocol.errors import GeminiError
from gemd.protocol.response import (
    Answer,
    BrokenBody,
    ClientLeft,
    Pending,
    Response,
    Source,
    encode_header,
    error_response,
)
from gemd.protocol.status import has_body
from gemd.system.log import error_log
from gemd.system.tls import TLSError
from gemd.worker.closing import Closing
from gemd.worker.connection import Connection
from gemd.worker.ordered import Ordered
from gemd.worker.poller import Poller
from gemd.worker.reading import ReportLoss
from gemd.worker.thread_pool import ThreadPool

# What has to get through within one response timeout: 128 KiB in 30 seconds is 4 KB a second.
BLOCK_SIZE = 128 * 1024
_MAX_PIECES = 8  # of one answer in a turn, so that others have theirs
_LOOK_INTERVAL = 1.0  # seconds at most between two looks at what is waited for
_NOBODY: list[Connection] = []
_GONE = select.EPOLLERR | select.EPOLLHUP


class _Helper:
    """What an answer may ask for, on behalf of its connection."""

    __slots__ = ("_connection", "_poller", "_pool")

    def __init__(self, connection: Connection, poller: Poller[Connection], pool: ThreadPool) -> None:
        self._connection = connection
        self._poller = poller
        self._pool = pool

    def wake(self) -> None:
        self._poller.wake(self._connection)

    def run(self, work: Callable[[], None]) -> bool:
        return self._pool.run(work, self.wake)


class Writing:
    """`ended` gets each connection whose answer is over, sent or broken off, once."""

    def __init__(
        self,
        poller: Poller[Connection],
        pool: ThreadPool,
        closing: Closing,
        timeouts: Timeouts,
        max_connections: int,
        ended: deque[Connection],
        report_loss: ReportLoss,
    ) -> None:
        self._poller = poller
        self._pool = pool
        self._closing = closing
        self._timeout = timeouts.response
        self._max_connections = max_connections
        self._ended = ended
        self._report_loss = report_loss
        self._blocked = Ordered()  # the client takes no more for now; who took enough last is the newest
        self._waiting = Ordered()  # for more of an answer, or for its header
        self._runnable = Ordered()  # had its turn, and could go on
        self._soonest = math.inf  # the first deadline of those who wait, or earlier

    def __len__(self) -> int:
        return len(self._blocked) + len(self._waiting) + len(self._runnable)

    # An answer

    def answer(self, connection: Connection, answer: Answer) -> None:
        """Begin to send an answer. Raises whatever makes it impossible."""
        if isinstance(answer, Response):
            self._begin(connection, answer)
            return
        connection.pending = answer
        answer.begin(_Helper(connection, self._poller, self._pool))
        self._settle(connection, answer)

    def _settle(self, connection: Connection, pending: Pending) -> None:
        """See whether the answer is known by now."""
        try:
            response = pending.settle()
        except GeminiError as refusal:
            response = error_response(refusal)
        except ClientLeft as error:
            self.lose(connection, str(error))
            return
        if response is None:
            self._await(connection, pending)
            return
        self._unwatch(connection)
        body: object = response.body
        if body is pending:  # it has become the body itself
            connection.pending = None
        else:
            connection.let_go()
        self._begin(connection, response, has_begun=body is pending)

    def _begin(self, connection: Connection, response: Response, *, has_begun: bool = False) -> None:
        connection.status, connection.meta = int(response.status), response.meta
        body = response.body
        if isinstance(body, bytes):
            header = encode_header(response.status, response.meta)
            connection.head = header + body if has_body(response.status) else header
        else:
            connection.source = body  # which is closed with the connection, whatever follows
            connection.head = encode_header(response.status, response.meta)
            if not has_begun:
                body.begin(_Helper(connection, self._poller, self._pool))
        self._pump(connection)

    def _pump(self, connection: Connection) -> None:
        """Go on until the client takes no more, there is no more yet, it is over, or others should have their turn."""
        try:
            for _ in range(_MAX_PIECES):
                if not connection.flush():
                    self._block(connection)
                    return
                if connection.complete:
                    self._finish(connection)
                    return
                if not self._write_piece(connection):
                    assert connection.source is not None
                    self._await(connection, connection.source)
                    return
        except (TLSError, ClientLeft) as error:
            self.lose(connection, str(error))
            return
        except BrokenBody as error:
            error_log.warning("the response to %r broke off: %s", connection.url, error, exc_info=error.__cause__)
            self.drop(connection)
            return
        self._leave(connection)
        self._poller.modify(connection.fd, 0, self._notice_end, connection)
        self._runnable.add(connection)

    def _write_piece(self, connection: Connection) -> bool:
        """Encrypt what comes next; False when it is not known yet. Raises TLSError, BrokenBody and ClientLeft."""
        data = connection.source.read() if connection.source is not None else b""
        if data is None and not connection.head:
            return False
        connection.write(data or b"")  # the client need not wait for the header
        if data == b"":
            connection.end()
        return True

    # Where it waits

    def _block(self, connection: Connection) -> None:
        """The client takes no more for now."""
        if connection not in self._blocked:
            self._leave(connection)
            self._renew(connection)
            self._poller.modify(connection.fd, select.EPOLLOUT, self._resume_writing, connection)
            self.make_room()
        elif _has_taken_block(connection):
            self._renew(connection)

    def _renew(self, connection: Connection) -> None:
        """The next block has the whole time again."""
        connection.delivered_before = connection.delivered
        connection.deadline = time.monotonic() + self._timeout
        self._blocked.add(connection)

    def _await(self, connection: Connection, body: Pending | Source) -> None:
        """There is no more yet."""
        self._leave(connection)
        connection.deadline = min(body.deadline, time.monotonic() + _LOOK_INTERVAL)
        self._soonest = min(self._soonest, connection.deadline)
        self._waiting.add(connection)
        self._poller.modify(connection.fd, 0, self._notice_end, connection)
        wanted = set(body.descriptors)
        for fd in connection.watched - wanted:
            self._poller.unregister(fd)
        connection.watched = wanted
        for fd in wanted:
            self._poller.watch_once(fd, self._resume_by_event, connection)

    def _unwatch(self, connection: Connection) -> None:
        """Before the descriptors are closed."""
        for fd in connection.watched:
            self._poller.unregister(fd)
        connection.watched = set()

    def _leave(self, connection: Connection) -> None:
        """It waits for nothing any more."""
        self._blocked.remove(connection)
        self._waiting.remove(connection)
        self._runnable.remove(connection)

    # What it has waited for

    def _resume_writing(self, connection: Connection, _events: int) -> None:
        self._pump(connection)

    def _notice_end(self, connection: Connection, events: int) -> None:
        """Only an error or the end of both directions is told: who has stopped sending alone may still read."""
        if events & _GONE:
            self.lose(connection, "the client left")

    def _resume_by_event(self, connection: Connection, _events: int) -> None:
        self.resume(connection)

    def resume(self, connection: Connection) -> None:
        """There may be more of an answer that is waited for."""
        if connection not in self._waiting:
            return
        self._leave(connection)
        if connection.pending is not None:
            self._settle(connection, connection.pending)
        else:
            self._pump(connection)

    def runnable(self) -> list[Connection]:
        """Those who could go on at once."""
        return list(self._runnable) if self._runnable else _NOBODY

    def go_on(self, connection: Connection) -> None:
        """Give one of those its next turn."""
        if connection in self._runnable:
            self._pump(connection)

    # The end

    def _finish(self, connection: Connection) -> None:
        """All of it, with close_notify, is in the kernel."""
        self._leave(connection)
        self._unwatch(connection)
        connection.let_go()
        self._ended.append(connection)
        self._closing.linger(connection)
        self.make_room()

    def lose(self, connection: Connection, reason: str) -> None:
        """The answer can't be delivered, which is no fault of ours."""
        self._report_loss(connection, f"response broke off: {reason}")
        self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """End it without close_notify, so that the client can tell."""
        connection.complete = False
        self._leave(connection)
        self._unwatch(connection)
        self._poller.unregister(connection.fd)
        connection.close()
        self._ended.append(connection)

    def replace(self, connection: Connection, response: Response) -> None:
        """Send another answer, where nothing is sent yet."""
        self._leave(connection)
        self._unwatch(connection)
        connection.let_go()
        self._begin(connection, response)

    def make_room(self) -> None:
        """When there are too many, the oldest goes of those who linger, or else of those who read too slowly."""
        while len(self) + len(self._closing) > self._max_connections:
            if not self._closing.drop_oldest():
                if not self._blocked:
                    return
                self.lose(self._blocked.oldest(), "too many read too slowly")

    # Deadlines

    def next_deadline(self) -> float:
        """When `expire` has something to do."""
        return min(self._blocked.next_deadline(), self._soonest if self._waiting else math.inf)

    def expire(self, now: float) -> list[Connection]:
        """Drop those who read too slowly; return those at whose answers it is time to look."""
        for connection in self._blocked.expired(now):
            if _has_taken_block(connection):
                self._renew(connection)
            else:
                self.lose(connection, "the client reads too slowly")
        if now < self._soonest:
            return _NOBODY
        late = [connection for connection in self._waiting if connection.deadline <= now]
        self._soonest = min((c.deadline for c in self._waiting if c.deadline > now), default=math.inf)
        return late


def _has_taken_block(connection: Connection) -> bool:
    """Linux says that a socket is writable only when a third of its send buffer is free, which a slow client may take
    minutes for: what its kernel has acknowledged says that it reads."""
    return connection.delivered - connection.delivered_before >= BLOCK_SIZE
