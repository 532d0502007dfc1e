"""What is remembered, by keys and within a bound.

Rules: what was not asked for longest goes first; what would take more than half of the room is not kept, so that it
drives nobody out.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gemd.protocol.counters import EVICTIONS
from gemd.system.tally import tally

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _count(_value: object) -> int:
    return 1


class Bounded(Generic[K, V]):
    """Values that take at most `room` together, each as much as `measure` says, by default one. What has to
    go is counted as an eviction `of` this. For any thread."""

    def __init__(self, room: int, measure: Callable[[V], int] = _count, *, of: str) -> None:
        self._room = room
        self._measure = measure
        self._of = of
        self._values: OrderedDict[K, V] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def find(self, key: K) -> V | None:
        """The value, if it is remembered."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def keep(self, key: K, value: V) -> V | None:
        """Remember it, in the place of the value that comes back, if there was one."""
        with self._lock:
            former = self._pop(key)
            size = self._measure(value)
            if size <= self._room // 2:
                self._values[key] = value
                self._size += size
            while self._size > self._room:
                self._pop(next(iter(self._values)))
                tally.count(EVICTIONS, self._of)
            return former

    def forget(self, key: K) -> None:
        """What is no longer so."""
        with self._lock:
            self._pop(key)

    def _pop(self, key: K) -> V | None:
        value = self._values.pop(key, None)
        self._size -= self._measure(value) if value is not None else 0
        return value
