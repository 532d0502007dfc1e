"""The state of a file or directory, by which one can tell whether it is still what it was.

Rule: a file system counts time in steps, and what changes twice in one of them shows it once: what was made of a file
is good for as long as its state is the same only if that was settled before.
"""

import os
import time

State = tuple[int, ...]

_STEP = 2_000_000_000  # nanoseconds: the longest one, of FAT


def find_state(status: os.stat_result) -> State:
    """Which file it is, and which state of it."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def is_settled(status: os.stat_result, moment: int | None = None) -> bool:
    """Whether what changes it from now on, or after `moment` in nanoseconds of the day, shows in its state."""
    return (time.time_ns() if moment is None else moment) - status.st_ctime_ns >= _STEP
