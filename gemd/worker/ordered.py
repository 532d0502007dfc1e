"""Connections in the order in which they came into a state.

Rule: where all have the same time for it, the oldest is the next whose time is over.
"""

import math
from collections.abc import Iterator

from gemd.worker.connection import Connection


class Ordered:
    """By descriptor, oldest first."""

    __slots__ = ("_by_fd",)

    def __init__(self) -> None:
        self._by_fd: dict[int, Connection] = {}

    def __len__(self) -> int:
        return len(self._by_fd)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_fd.values()))

    def __contains__(self, connection: Connection) -> bool:
        return self._by_fd.get(connection.fd) is connection  # the descriptor of one that is closed may be another's

    def add(self, connection: Connection) -> None:
        """As the newest, also one that is here already."""
        self._by_fd.pop(connection.fd, None)
        self._by_fd[connection.fd] = connection

    def remove(self, connection: Connection) -> None:
        """Nothing happens if it is not here."""
        if self._by_fd.get(connection.fd) is connection:
            del self._by_fd[connection.fd]

    def oldest(self) -> Connection:
        """Raises StopIteration where there is none."""
        return next(iter(self._by_fd.values()))

    def next_deadline(self) -> float:
        """The first deadline that will pass, in monotonic seconds; never, where nobody is here."""
        return next(iter(self._by_fd.values())).deadline if self._by_fd else math.inf

    def expired(self, now: float) -> list[Connection]:
        """Those whose deadline has passed, up to the first whose has not."""
        late: list[Connection] = []
        if not self._by_fd:
            return late
        for connection in self._by_fd.values():
            if connection.deadline > now:
                break
            late.append(connection)
        return late
