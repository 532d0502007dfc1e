"""How long a writer waits for a reader that has much to read.

Rules: not at all unless a thread writes; and one that has read nothing for that long has stopped, and is waited for no
more until it reads again.
"""

import select
import time


class Patience:
    """Of one writer. `seconds` is what it has for all that it writes at once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._end = 0.0
        self._has_stopped = False

    def begin(self) -> None:
        """Something is to be written."""
        self._end = time.monotonic() + self.seconds

    def wait(self, poll: select.poll) -> bool:
        """Wait for room, where there was none; whether there may be some now."""
        seconds = self._end - time.monotonic()
        if self._has_stopped or seconds <= 0:
            return False
        self._has_stopped = not poll.poll(seconds * 1000)
        return not self._has_stopped

    def renew(self) -> None:
        """There was room."""
        self._has_stopped = False
