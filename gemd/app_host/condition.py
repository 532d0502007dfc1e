"""How the process of an application is: its figures, and whether another is to take its place."""

import time

from gemd.protocol import figures
from gemd.responders.app.threads import AppThreads
from gemd.shared.app_host import AppSetup
from gemd.system.file_watch import FileWatch
from gemd.system.process import DescriptorReport, MemoryReport

_MEMORY_INTERVAL = 10.0  # seconds between two looks at how much memory this process has


class Condition:
    """Looked at once a second. `answered` counts requests. `made` is when the process began, in nanoseconds of the
    system's clock."""

    def __init__(self, setup: AppSetup, made: int) -> None:
        """To be called while /proc can be seen, and before the application is imported."""
        self.answered = 0
        self.is_exhausted = False  # no descriptor is free for what it is asked
        self.figures: dict[str, int] = {}
        self._setup = setup
        self._memory, self._descriptors = MemoryReport(), DescriptorReport()
        self._made = made
        self._watch: FileWatch | None = None
        self._shared_out = self._private = 0
        self._next_memory = 0.0
        self._reason: str | None = None
        self._has_told_reason = False

    def look(self, threads: AppThreads, active: int) -> bool:
        """With so many requests that are being answered. Whether the figures have changed."""
        now = time.monotonic()
        if now >= self._next_memory:
            self._next_memory = now + _MEMORY_INTERVAL
            self._shared_out, self._private = self._memory.read()
        former, self.figures = (
            self.figures,
            {
                figures.REQUESTS.name: self.answered,
                figures.ACTIVE: active,
                figures.MEMORY.name: self._shared_out,
                figures.PRIVATE.name: self._private,
                figures.DESCRIPTORS.name: self._descriptors.read(),
            },
        )
        self._reason = self._reason or self._find_reason(threads)
        return self.figures != former

    def _find_reason(self, threads: AppThreads) -> str | None:
        setup = self._setup
        if self.is_exhausted:
            return "has no descriptor left"
        if threads.is_stuck:
            return "has a thread that does not come back"
        if setup.max_requests and self.answered >= setup.max_requests:
            return f"has answered {self.answered} requests"
        if setup.max_memory and self._private > setup.max_memory:
            return f"has {self._private} bytes of memory"
        return None

    def take_reason_to_leave(self) -> str | None:
        """Why another is to take its place, once."""
        if self._reason is None or self._has_told_reason:
            return None
        self._has_told_reason = True
        return self._reason

    def take_change(self) -> str | None:
        """A file of the application that has changed, where that is to be told."""
        if not self._setup.watches:
            return None
        if self._watch is None:
            path = self._setup.location.app_path
            self._watch = FileWatch([path] if path else [], self._made)
        return self._watch.look()
