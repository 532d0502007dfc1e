"""The memory that connections hold: bounded, and given back when many of them have left.

Rule: what clients make a worker keep, because they take nothing, ask for long listings, send long chains of
certificates or uploads, stays below a limit for all of them together; beyond it those clients lose connections who hold
most.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from gemd.config.settings import Limits, Timeouts
from gemd.system import process
from gemd.worker.connection import Connection
from gemd.worker.reading import Reading
from gemd.worker.writing import BLOCK_SIZE, Writing

_MANY = 200  # connections at once, after whose end it is worth giving memory back
_COUNT_INTERVAL = 0.05  # seconds between two counts of what is held
_GRACE = 1.0  # seconds until it can be seen how well a client takes what is sent
_QUICK_SHARE = 8  # what a client takes well counts as little as an eighth


class Memory:
    """Looks after a worker's memory, from time to time."""

    def __init__(
        self,
        reading: Reading,
        writing: Writing,
        timeouts: Timeouts,
        limits: Limits,
        others: Sequence[Iterable[Connection]] = (),
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._others = others
        self._least_rate = BLOCK_SIZE / timeouts.response  # bytes a second
        self._max_held = limits.buffered
        self._next_count = 0.0
        self._most = 0  # connections at once, since memory was given back

    def look(self, now: float, number: int) -> list[Connection]:
        """Give memory back if most of many connections have left, of which there are `number`; who has to go."""
        self._most = max(self._most, number)
        if self._most >= _MANY and number <= self._most // 10:
            self._most = number
            process.give_memory_back()
        if now < self._next_count:
            return []
        self._next_count = now + _COUNT_INTERVAL
        return self._find_largest(now)

    def _find_largest(self, now: float) -> list[Connection]:
        """So many that what is left is below the limit."""
        connections = [*self._reading, *self._writing.blocked]
        for others in self._others:
            connections += others
        if sum(connection.held + len(connection.body) for connection in connections) <= self._max_held:
            return []
        held = _weigh(connections)
        excess = sum(held.values()) - self._max_held
        found: list[Connection] = []
        if excess > 0:
            for connection in self._rank(held, now):
                found.append(connection)
                excess -= held[connection]
                if excess <= 0:
                    break
        return found

    def _rank(self, held: dict[Connection, int], now: float) -> Iterator[Connection]:
        """A connection of the client that holds most, then of the one that holds most without that, and so on: first
        those that are slow, the largest before others."""
        by_client: defaultdict[str, list[tuple[bool, int, Connection]]] = defaultdict(list)
        for connection, size in held.items():
            is_slow = self._is_slow(connection, now)
            by_client[connection.client].append((is_slow, size if is_slow else size // _QUICK_SHARE, connection))
        for entries in by_client.values():
            entries.reverse()
            entries.sort(key=lambda entry: entry[:2])  # the last goes first; of equals that is the oldest
        heap = [(-sum(size for _, size, _ in entries), client) for client, entries in by_client.items()]
        heapq.heapify(heap)
        while heap:
            negative, client = heap[0]
            _, size, connection = by_client[client].pop()
            if by_client[client]:
                heapq.heapreplace(heap, (negative + size, client))
            else:
                heapq.heappop(heap)
            yield connection

    def _is_slow(self, connection: Connection, now: float) -> bool:
        if connection in self._reading:
            return True
        seconds = now - connection.renewed
        return seconds >= _GRACE and connection.progress <= self._least_rate * seconds


def _weigh(connections: Sequence[Connection]) -> dict[Connection, int]:
    """What each connection holds, with its share of a body that several have; without those that hold nothing."""
    sharing = Counter(id(connection.body) for connection in connections)
    sizes = {one: one.held + len(one.body) // sharing[id(one.body)] for one in connections}
    return {one: size for one, size in sizes.items() if size}
