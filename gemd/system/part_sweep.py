"""Removing what is left of uploads whose process was killed.

Rules: what somebody writes, in this process or another one, is locked, and stays; links are not followed; nothing but
regular files with the names of such parts is ever removed. It takes its time, in a thread with the lowest priority.
"""

import contextlib
import fcntl
import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence

from gemd.config.host_settings import PART_PREFIX
from gemd.system.confinement import is_beneath
from gemd.system.log import error_log

_PAUSE = 0.001  # seconds between two directories
_LOWEST_PRIORITY = 19


def begin_sweep(directories: Sequence[str]) -> threading.Thread:
    """Have a thread look through all that is below these directories."""
    thread = threading.Thread(target=_sweep_in_thread, args=(directories,), name="sweep", daemon=True)
    thread.start()
    return thread


def _sweep_in_thread(directories: Sequence[str]) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)  # of this thread alone
    for top in find_tops(directories):
        for directory in _walk(top):
            time.sleep(_PAUSE)
            sweep_directory(directory)


def find_tops(directories: Sequence[str]) -> list[str]:
    """Those of these directories that are in no other one of them."""
    tops: list[str] = []
    for directory in sorted(set(directories)):
        if not any(is_beneath(directory, top) for top in tops):
            tops.append(directory)
    return tops


def _walk(top: str) -> Iterator[str]:
    """A directory and all below it, as far as they can be read."""
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        yield directory
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def sweep_directory(directory: str) -> None:
    """Remove what is left over in this directory."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(PART_PREFIX):
                path = os.path.join(directory, name)
                with contextlib.suppress(OSError):
                    if _remove(path):
                        error_log.info("%r was left of an upload, and is removed", path)


def _remove(path: str) -> bool:
    """Remove this part if nobody writes it any more. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        named = os.stat(path, follow_symlinks=False)
        if (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino):
            return False
        os.unlink(path)
    finally:
        os.close(descriptor)
    return True
