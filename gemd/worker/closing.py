"""Connections that have all of their answer but for what is in the kernel: lingering, until the client closes too.

Rules: what the client still sends is read and forgotten, for a close with unread bytes would reset the connection and
destroy the end of the answer on its way; nobody waits for the client's close_notify longer than `timeouts.close`. Who
was refused an upload may write all of it before it reads that, and has longer, as long as something comes.
"""

import math
import select
import time

from gemd.config.settings import Timeouts
from gemd.protocol.url import TITAN
from gemd.responders.counted import note_eviction
from gemd.system.client_socket import count_undelivered
from gemd.system.tls import TLSError
from gemd.worker.connection import Connection
from gemd.worker.ordered import Ordered
from gemd.worker.poller import Poller

_DRAIN_CHUNK = 4 * 1024
_MAX_DRAINED = 1024 * 1024
_UPLOADS = f"{TITAN}:"
_UPLOAD_CHUNK = 64 * 1024
_MAX_UPLOAD_CHUNKS = 4  # in a turn
_MAX_UPLOAD_DRAINED = 16 * 1024 * 1024
_UPLOAD_TIMEOUT = 10.0  # seconds, after which no more of it is read
_PAUSE_TIMEOUT = 1.0  # seconds after the last of it


class Closing:
    """Everybody here is done with; whoever is the oldest goes when there are too many."""

    def __init__(self, poller: Poller[Connection], timeouts: Timeouts) -> None:
        self._poller = poller
        self._timeout = timeouts.close
        self._delivery_timeout = timeouts.response  # from accept, after which the rest is left to the kernel
        self._connections: Ordered[Connection] = Ordered()
        self._refused: Ordered[Connection] = Ordered()  # more of an upload may come
        self._last_moment = math.inf  # to read such
        self._states = (self._connections, self._refused)

    def __len__(self) -> int:
        return len(self._connections) + len(self._refused)

    def __contains__(self, connection: Connection) -> bool:
        return connection.state in self._states

    def linger(self, connection: Connection) -> None:
        """Close when the client does, or soon."""
        connection.shut_down()
        now = time.monotonic()
        if _may_upload(connection):
            connection.renewed, connection.deadline = now, now + _PAUSE_TIMEOUT
            self._refused.add(connection)
            self._poller.modify(connection.fd, select.EPOLLIN, self._drain_upload, connection)
            return
        connection.deadline = now + self._timeout
        self._connections.add(connection)
        self._poller.modify(connection.fd, select.EPOLLIN, self._drain, connection)

    def _drain(self, connection: Connection, events: int) -> None:
        if drain(connection, has_ended=bool(events & select.EPOLLHUP)):
            self.drop(connection)

    def _drain_upload(self, connection: Connection, _events: int) -> None:
        now = time.monotonic()
        if now >= min(connection.renewed + _UPLOAD_TIMEOUT, self._last_moment) or drain_upload(connection):
            self.drop(connection)
        else:
            connection.deadline = now + _PAUSE_TIMEOUT
            self._refused.add(connection)

    def drop(self, connection: Connection) -> None:
        """Close at once; what the kernel has yet to deliver is delivered anyhow."""
        connection.leave_state()
        self._poller.unregister(connection.fd)
        connection.close()

    def drop_oldest(self) -> bool:
        """Drop the one that has been here for longest, of the more numerous kind; False when nobody is here."""
        state = self._refused if len(self._refused) > len(self._connections) else self._connections
        if state:
            note_eviction("lingering")
            self.drop(state.oldest())
            return True
        return False

    def leave_deliveries(self) -> None:
        """The worker is to stop: leave what is not delivered yet to the kernel."""
        self._delivery_timeout = 0.0
        self._last_moment = 0.0

    def end_by(self, moment: float) -> None:
        """Read no more of uploads at a moment, in monotonic seconds."""
        self._last_moment = min(self._last_moment, moment)

    # Deadlines

    def next_deadline(self) -> float:
        """When `expired` has somebody, in monotonic seconds."""
        return min(self._connections.next_deadline(), self._refused.next_deadline())

    def expired(self, now: float) -> list[Connection]:
        """Those whose moment is over: `time_out` them."""
        return self._connections.expired(now) + self._refused.expired(now)

    def time_out(self, connection: Connection, now: float) -> None:
        """Close, unless the client is still receiving and may yet send something that would destroy the rest."""
        if count_undelivered(connection.socket) and now - connection.accepted < self._delivery_timeout:
            connection.deadline = now + self._timeout
            self._connections.add(connection)
            self._poller.modify(connection.fd, select.EPOLLIN, self._drain, connection)
        else:
            self.drop(connection)


def drain(connection: Connection, *, has_ended: bool) -> bool:
    """Take and forget what the client still sends. True when it is done, or has sent too much, or left.

    `has_ended` says that its FIN is here, so that what does not fill the buffer is the last piece.
    """
    try:
        while connection.drained < _MAX_DRAINED:
            data = connection.receive(_DRAIN_CHUNK)
            if data is None:
                return False
            if not data or (has_ended and len(data) < _DRAIN_CHUNK):
                return True
            connection.drained += len(data)
    except TLSError:
        return True
    return True


def drain_upload(connection: Connection) -> bool:
    """Take and forget a part of what the client still uploads. True when it is done, or has sent too much, or left."""
    try:
        for _ in range(_MAX_UPLOAD_CHUNKS):
            data = connection.receive(_UPLOAD_CHUNK)
            if data is None:
                return False
            connection.drained += len(data)
            if not data or connection.drained >= _MAX_UPLOAD_DRAINED:
                return True
    except TLSError:
        return True
    return False


def _may_upload(connection: Connection) -> bool:
    """Whether more may come of an upload, which was refused or is refused as its request was none."""
    request = connection.request
    if request is None:
        return connection.reader.line[: len(_UPLOADS)].lower() == _UPLOADS
    return bool(request.url.parameters) and (connection.upload is None or not connection.upload.is_whole)
