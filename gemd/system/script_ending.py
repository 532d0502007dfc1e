"""The end of a script, step by step: what goes on after its answer may do so for a while, then all of it has to end.

Rules: nothing here waits; who is asked to end has a moment before it is killed, and where nothing may go on, none: only
what ends by itself that soon is not reported.
"""

import math
import time
from collections.abc import Callable

from gemd.system.running_script import TERM_TIMEOUT, Leader, Remains

_MOMENT = 0.1  # seconds for what is about to end by itself when its leader has
_HOST_SLACK = 2.0  # seconds for a script host to do the same, and to say so
_FIRST_LOOK, _LAST_LOOK = 0.01, 0.25  # seconds between two looks at what goes on


class Ending:
    """Of a script that is to be ended now, or that `is_over` and may go on for so many seconds `after`."""

    def __init__(self, script: Leader, after: float, then: Callable[[Remains], None], *, is_over: bool) -> None:
        now = time.monotonic()
        self.script = script
        self.then = then
        self.is_lingering = is_over
        self.may_go_on = is_over and after > 0
        self._is_over = is_over
        self._slack = _HOST_SLACK if script.is_elsewhere else 0.0
        self._until = now + max(after, _MOMENT) + self._slack
        self._kill_at = now + TERM_TIMEOUT
        self._look_after = _FIRST_LOOK

    def hurry(self, moment: float) -> None:
        """What goes on may do so until then, in monotonic seconds, and no longer."""
        self._until = min(self._until, moment)

    def advance(self) -> bool:
        """Do what is due; whether nothing is left but to let go of it."""
        now = time.monotonic()
        if self.is_lingering:
            if not self.script.goes_on():
                return True
            if (self.may_go_on or self.script.has_ended()) and now < self._until:
                return False
            self.is_lingering = False
            self._kill_at = now
            if self.may_go_on or self.script.is_elsewhere:
                self.script.terminate()
                self._kill_at += TERM_TIMEOUT + self._slack
        if now >= self._kill_at:
            self.script.kill()  # even so it may take its time, while it waits for a disk
            self._kill_at = math.inf
        if self._is_looked_at:
            return not self.script.goes_on()
        return self.script.has_ended()

    def next_look(self) -> float:
        """When to look again at the latest, in monotonic seconds."""
        if not self._is_looked_at:
            return self._kill_at
        self._look_after, look_after = min(2 * self._look_after, _LAST_LOOK), self._look_after
        return min(self._until if self.is_lingering else self._kill_at, time.monotonic() + look_after)

    @property
    def descriptor(self) -> int | None:
        """What becomes readable when there is something new; None where only a look tells."""
        if self._is_looked_at and not self.script.is_elsewhere and self.script.has_ended():
            return None
        return self.script.fileno()

    @property
    def _is_looked_at(self) -> bool:
        """Whether it is over when nothing goes on, which nothing but a look tells: not once it was killed."""
        return self._is_over and self._kill_at < math.inf
