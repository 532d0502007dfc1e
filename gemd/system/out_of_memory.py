"""Whom the kernel has killed for want of memory: it says how many, and not whom.

Rule: a counter that can't be read stays 0, so that nothing is ever said to be its doing.
"""

import contextlib
from pathlib import Path

_ROOT = Path("/")
_FIELD = b"oom_kill "


class OutOfMemoryKills:
    """The counter of this process's cgroup (memory.events of version 2), or else of the whole machine (proc(5)).

    `root` is where /proc and /sys are.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        own = _own_events(root)
        self._path = own if own is not None and _count(own) is not None else root / "proc/vmstat"

    def read(self) -> int:
        """How many were killed."""
        return _count(self._path) or 0


def _own_events(root: Path) -> Path | None:
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/"):  # version 2, and our place in it
                return root / "sys/fs/cgroup" / line.removeprefix("0::/") / "memory.events"
    return None


def _count(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_bytes().splitlines():
            if line.startswith(_FIELD):
                return int(line.removeprefix(_FIELD))
    return None
