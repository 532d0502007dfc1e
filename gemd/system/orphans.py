"""Processes that scripts leave behind: this process becomes their parent, and ends them.

Rule: what is in the session of a script that still runs is no orphan, so a script is registered before anybody can meet
it, and forgotten when it was reaped.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator

from gemd.system import process

_CHUNK = 64 * 1024
_MAX_SWEEPS = 1000

_children_file: int | None = None  # of the main thread, opened by adopt_orphans
_running: set[int] = set()
_running_lock = threading.Lock()


@contextlib.contextmanager
def registration() -> Iterator[Callable[[int], None]]:
    """Inside, a script is started and its pid registered, while nobody looks for orphans."""
    with _running_lock:
        yield _running.add


def forget(pid: int) -> None:
    """A script was reaped."""
    with _running_lock:
        _running.discard(pid)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its scripts leave behind, also of what has left their session."""
    global _children_file
    process.become_subreaper()
    with contextlib.suppress(OSError):  # a kernel without it: then what leaves its session is left alone
        _children_file = os.open(f"/proc/{os.getpid()}/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)


def _read_children() -> list[int]:
    """The children of the main thread."""
    if _children_file is None:
        return []
    return [int(pid) for pid in os.pread(_children_file, _CHUNK, 0).split()]


def kill_running() -> None:
    """Kill every running script, at once and with its group. The last thing that a worker does when it can't wait."""
    for pid in list(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def kill_orphans(keep: Collection[int] = ()) -> None:
    """Kill and reap the processes that ended scripts, or killed workers, left behind.

    They are children of the main thread, which starts none itself but those to `keep`; what is in the session of a
    running script stays.
    """
    for _ in range(_MAX_SWEEPS):
        found = False
        for pid in _read_children():
            with contextlib.suppress(ProcessLookupError, ChildProcessError, PermissionError):
                session = os.getsid(pid)
                with _running_lock:
                    is_running = session in _running or pid in _running
                if is_running or pid in keep:
                    continue
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
                found = True
        if not found:
            return
        time.sleep(0.001)
