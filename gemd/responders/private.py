"""Files that are gemd's alone, keys and logs, which are never shown.

Rules: they are known by device and inode, whatever their name; what has changed since they were looked at has them
looked at again, for it may have become one.
"""

import os
import stat
import time
from collections.abc import Collection

from gemd.protocol.errors import NotFound
from gemd.system.resolved import Identity, Resolved, identify

_LOOK_INTERVAL = 1.0  # seconds
_CLOCK_STEP = 1_000_000_000  # nanoseconds by which a file system's clock, or a step of it, may be behind


class PrivateFiles:
    """Those at these paths, as far as this process can reach them."""

    def __init__(self, paths: Collection[str] = ()) -> None:
        self._paths = tuple(paths)
        self._known: frozenset[Identity] = frozenset()
        self._looked_at = -_LOOK_INTERVAL
        self._changed_before = 0  # by the clock of the day, in nanoseconds

    def refuse(self, opened: Resolved) -> None:
        """Raise NotFound (51) for one of them, which is closed then."""
        if not self._paths or not stat.S_ISREG((status := opened.status).st_mode):
            return
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_INTERVAL or status.st_ctime_ns >= self._changed_before:
            self._changed_before = time.time_ns() - _CLOCK_STEP
            self._known = frozenset(filter(None, map(_find, self._paths)))
            self._looked_at = now
        if identify(status) in self._known:
            os.close(opened.descriptor)
            raise NotFound


def _find(path: str) -> Identity | None:
    """What is there; None for what is not there, or out of reach, and so can't be shown either."""
    try:
        return identify(os.stat(path))
    except OSError:
        return None
