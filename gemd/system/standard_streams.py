"""Standard output and error as this process was given them.

Rule: they are copied before code of an application's runs, which may close them, or lead them elsewhere.
"""

import contextlib
import fcntl
import os

_FIRST = 3  # the lowest number of a copy: those below are standard streams themselves


class StandardStreams:
    """`copies` are descriptors by the number of their stream, 1 and 2."""

    def __init__(self) -> None:
        self.copies: dict[int, int] = {}
        self.copy()

    def copy(self) -> None:
        """Copy what standard output and error are now; one that is closed has no copy."""
        self.close()
        for number in (1, 2):
            with contextlib.suppress(OSError):
                self.copies[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST)

    def close(self) -> None:
        """Close the copies. What has been opened by them stays."""
        for descriptor in self.copies.values():
            os.close(descriptor)
        self.copies.clear()
