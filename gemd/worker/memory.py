"""The memory that connections hold: bounded, and given back when many of them have left.

Rule: what clients make a worker keep, because they take nothing or send long chains of certificates, stays below a
limit for all of them together; beyond it those go first who are slow, and of those the largest.
"""

from gemd.config.settings import Limits, Timeouts
from gemd.system import process
from gemd.worker.connection import Connection
from gemd.worker.reading import Reading
from gemd.worker.writing import BLOCK_SIZE, Writing

_MANY = 200  # connections at once, after whose end it is worth giving memory back
_COUNT_INTERVAL = 0.05  # seconds between two counts of what is held
_MAX_HELD = 512 * 1024  # bytes by one connection


class Memory:
    """Looks after a worker's memory, once a turn of the event loop."""

    def __init__(self, reading: Reading, writing: Writing, timeouts: Timeouts, limits: Limits) -> None:
        self._reading = reading
        self._writing = writing
        self._least_rate = BLOCK_SIZE / timeouts.response  # bytes a second
        self._max_held = limits.buffered
        self._few = limits.buffered // _MAX_HELD  # connections, which can't hold too much
        self._next_count = 0.0
        self._most = 0  # connections at once, since memory was given back

    def look(self, now: float, number: int) -> list[Connection]:
        """Give memory back if most of many connections have left, of which there are `number`; who has to go."""
        self._most = max(self._most, number)
        if self._most >= _MANY and number <= self._most // 10:
            self._most = number
            process.give_memory_back()
        if len(self._reading) + len(self._writing.blocked) <= self._few or now < self._next_count:
            return []
        self._next_count = now + _COUNT_INTERVAL
        return self._find_largest(now)

    def _find_largest(self, now: float) -> list[Connection]:
        """So many that what is left is below the limit: the largest of those who are slow, then of all."""
        connections = [*self._reading, *self._writing.blocked]
        excess = sum(connection.held for connection in connections) - self._max_held
        if excess <= 0:
            return []

        def rank(connection: Connection) -> tuple[bool, int]:
            least = self._least_rate * (now - connection.renewed)
            is_slow = connection in self._reading or connection.progress <= least
            return not is_slow, -connection.held

        found = []
        for connection in sorted(connections, key=rank):  # the oldest of equals first
            if excess <= 0:
                break
            found.append(connection)
            excess -= connection.held
        return found
