"""Equal lines, of which a log has a few and then their number.

Rule: however often something is said, it takes so many lines in so many seconds, and what was left out is counted.
"""

import threading
from typing import Generic, TypeVar

_WINDOW = 10.0  # seconds from the first of equal lines on
_MAX_EQUAL = 5  # of them that are written in that time
_MAX_KNOWN = 256  # different lines that are remembered

K = TypeVar("K")


class Repetitions(Generic[K]):
    """What was said, and when. May be used by several threads."""

    def __init__(self) -> None:
        self._known: dict[K, tuple[float, int]] = {}  # when a window began, and how often since; the oldest first
        self._lock = threading.Lock()

    def note(self, line: K, now: float) -> bool:
        """Whether a line is to be written that is said `now`, in monotonic seconds."""
        with self._lock:
            begin, count = self._known.get(line, (now, 0))
            self._known[line] = begin, count + 1
            return count < _MAX_EQUAL

    def take_over(self, now: float) -> list[tuple[K, int]]:
        """The lines whose window is over by `now`, each with how often it was left out, if it was."""
        found: list[tuple[K, int]] = []
        with self._lock:
            while self._known:
                line, (begin, count) = next(iter(self._known.items()))
                if now < begin + _WINDOW and len(self._known) <= _MAX_KNOWN:
                    break
                del self._known[line]
                if count > _MAX_EQUAL:
                    found.append((line, count - _MAX_EQUAL))
        return found
