"""Answers that are not there yet, or not all of them: what they may ask for, and what has them asked again.

Rules: whoever waits is asked again when one of its descriptors is readable, when it was woken, and at its deadline;
once a second anyhow. What it watches is its own, and is watched no more before it is closed.
"""

import math
import select
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from gemd.protocol.response import Target
from gemd.shared.under_way import UnderWay
from gemd.worker.connection import Connection
from gemd.worker.lookups import Lookups
from gemd.worker.ordered import Ordered
from gemd.worker.poller import Poller
from gemd.worker.thread_pool import ThreadPool

_LOOK_INTERVAL = 1.0  # seconds at most between two looks at what is waited for


class AnswerHelper:
    """What an answer may ask for, on behalf of its connection."""

    __slots__ = ("_connection", "_lookups", "_poller", "_pool", "_under_way")

    def __init__(
        self,
        connection: Connection,
        poller: Poller[Connection],
        pool: ThreadPool,
        lookups: Lookups,
        under_way: UnderWay,
    ) -> None:
        self._connection = connection
        self._poller = poller
        self._pool = pool
        self._lookups = lookups
        self._under_way = under_way

    @property
    def client(self) -> str:
        """For whom it is, as limits count."""
        return self._connection.client

    def wake(self) -> None:
        """Look at the answer again. May be called by any thread."""
        self._poller.wake(self._connection)

    def run(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """Have a thread of the pool do this, in this client's turn, and then look again. What is returned gives its
        turn up, if that has not come yet; None when there is no thread."""
        return self._pool.run(self.client, work, self.wake)

    def resolve(self, host: str, port: int) -> Sequence[Target] | None:
        """The addresses of a server; None where they are not known yet, and then this answer is woken. Raises
        ResolveError."""
        return self._lookups.find(host, port).resolve(self._connection, self.wake)

    def forget(self, host: str, port: int) -> None:
        """These addresses are waited for no longer."""
        self._lookups.find(host, port).forget(self._connection)

    def show(self) -> AbstractContextManager[None]:
        """Inside, something is done for this answer that might bring the process down: whose work it was is shown. For
        any thread."""
        request = self._connection.request
        assert request is not None  # it is being answered
        return self._under_way.showing(request.url)


class Waiting:
    """`act` is called with each connection whose descriptors have something new."""

    def __init__(self, poller: Poller[Connection], act: Callable[[Connection, int], None]) -> None:
        self._poller = poller
        self._act = act
        self._connections: Ordered[Connection] = Ordered()
        self._soonest = math.inf  # the first of their deadlines, or earlier

    def __len__(self) -> int:
        return len(self._connections)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._connections

    def add(self, connection: Connection) -> None:
        """Its answer, or the body of it, has said "not yet". Raises OSError where that can't be watched."""
        answer = connection.source if connection.pending is None else connection.pending
        assert answer is not None
        connection.deadline = min(answer.deadline, time.monotonic() + _LOOK_INTERVAL)
        self._soonest = min(self._soonest, connection.deadline)
        self._connections.add(connection)
        wanted: dict[int, int] = {}
        for descriptor in answer.descriptors:
            fd, event = (descriptor, select.EPOLLIN) if descriptor >= 0 else (~descriptor, select.EPOLLOUT)
            wanted[fd] = wanted.get(fd, 0) | event
        former, connection.watched = connection.watched, set(wanted)
        for fd in former - connection.watched:
            self._poller.unregister(fd)
        for fd, events in wanted.items():
            self._poller.watch_once(fd, events, self._act, connection)

    def unwatch(self, connection: Connection) -> None:
        """Its answer is over, or becomes another one: watch nothing for it any more."""
        if connection.watched:
            for fd in connection.watched:
                self._poller.unregister(fd)
            connection.watched = set()

    # Deadlines

    def next_deadline(self) -> float:
        """When to look for those whose deadline has passed."""
        return self._soonest if self._connections else math.inf

    def expired(self, now: float) -> list[Connection]:
        """Those whose deadline has passed."""
        if now < self._soonest:
            return []
        self._soonest = min((c.deadline for c in self._connections if c.deadline > now), default=math.inf)
        return [connection for connection in self._connections if connection.deadline <= now]
