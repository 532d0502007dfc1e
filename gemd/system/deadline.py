"""Absolute deadlines on the monotonic clock.

Rule: a wait takes what remains until a deadline, never a timeout of its own, so that a peer that sends one
byte a second gains nothing by it.
"""

import time


class Deadline:
    """The moment `seconds` from now."""

    __slots__ = ("at",)

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, 0.0 when it has passed."""
        return max(0.0, self.at - time.monotonic())

    def milliseconds(self) -> int:
        """What remains in whole milliseconds, rounded up, as poll(2) takes it."""
        return -int(-self.remaining() * 1000 // 1)
