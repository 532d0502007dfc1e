"""What scripts leave behind: processes whose parent is gone, which this process adopts, kills and reaps.

Rule: what is in the session of a script that runs is left alone; so no script runs that is not registered here.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Collection

from gemd.system import process

_MAX_CHILDREN = 64 * 1024  # bytes of their pids that are looked at in one sweep
_MAX_SWEEPS = 1000
_START_TIMEOUT = 10.0  # seconds after which a start puts no sweep off any more: what it began is wanted no longer

_children_file: int | None = None  # of the main thread, opened by adopt_orphans
_running: set[int] = set()  # the leaders of scripts
_starting: dict[object, float] = {}  # when those began that may run, but are not in `_running` yet
_is_sweep_due = False
_strays = 0  # that were killed and not told of yet
_lock = threading.Lock()


class Registration:
    """To start a script within; what it gives takes the pid. No sweep takes place meanwhile, unless it hangs."""

    __slots__ = ()

    def __enter__(self) -> Callable[[int], None]:
        with _lock:
            _starting[self] = time.monotonic()
        return _running.add

    def __exit__(self, *_: object) -> None:
        with _lock:
            del _starting[self]
            must_sweep = _is_sweep_due and not _is_any_starting()
        if must_sweep:
            kill_orphans()


def unregister(pid: int) -> None:
    """The script has ended, and is reaped."""
    with _lock:
        _running.discard(pid)


def kill_running() -> None:
    """Kill every running script, at once and with its group. The last thing that a worker does when it can't wait."""
    for pid in list(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


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
    return [int(pid) for pid in os.pread(_children_file, _MAX_CHILDREN, 0).split()]


def has_adopted() -> bool:
    """Whether scripts, those that run included, have left anything to this process. What a script that has ended began
    is among it, or has a parent that is."""
    return _children_file is not None and bool(os.pread(_children_file, 1, 0))


def find_left(leader: int) -> list[int]:
    """What goes on of a script whose leader has ended: processes of its session that were left to this process, and
    may have children in their turn. Those that have ended are reaped, but for the leader."""
    found = []
    for pid in _read_children():
        with contextlib.suppress(ProcessLookupError, ChildProcessError, PermissionError):
            if pid != leader and os.getsid(pid) == leader and not _has_ended(pid):
                found.append(pid)
    return found


def _has_ended(pid: int) -> bool:
    """Whether a child has; it is reaped then."""
    return os.waitpid(pid, os.WNOHANG)[0] == pid


def take_strays() -> int:
    """How many processes were killed since the last time that had left their script's session, or outlived it."""
    global _strays
    with _lock:
        number, _strays = _strays, 0
    return number


def kill_orphans(keep: Collection[int] = (), ending: int | None = None) -> None:
    """Kill and reap the processes that ended scripts, or killed workers, left behind.

    They are children of the main thread, which starts none itself but those to `keep`; what is in the session of a
    running script stays. What is in the session `ending` is told of by whoever ends it. While a script is being
    started, this waits until it is registered.
    """
    global _is_sweep_due, _strays
    with _lock:
        _is_sweep_due = False
    killed: set[int] = set()
    for _ in range(_MAX_SWEEPS):
        found = False
        for pid in _read_children():
            with contextlib.suppress(ProcessLookupError, ChildProcessError, PermissionError):
                session = os.getsid(pid)
                if _must_put_off():
                    return
                if session in _running or pid in _running or pid in keep:
                    continue
                if not _has_ended(pid):
                    if not _kill(pid):
                        continue
                    if session != ending:
                        killed.add(pid)
                    _has_ended(pid)
                found = True
        if not found:
            break
        time.sleep(0.001)
    with _lock:
        _strays += len(killed)


def _kill(pid: int) -> bool:
    """Kill a process, or leave it to a later sweep where this thread may not: Landlock keeps one that starts scripts
    from what another one has started."""
    global _is_sweep_due
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        with _lock:
            _is_sweep_due = True
        return False
    return True


def is_sweep_due() -> bool:
    """Whether a sweep was put off, and could be made now."""
    if not _is_sweep_due:
        return False
    with _lock:
        return _is_sweep_due and not _is_any_starting()


def _must_put_off() -> bool:
    """Whether the sweep has to be made later."""
    global _is_sweep_due
    with _lock:
        is_any_starting = _is_any_starting()
        _is_sweep_due |= is_any_starting
        return is_any_starting


def _is_any_starting() -> bool:
    """Whether a script is being started, but for starts that hang."""
    now = time.monotonic()
    return any(now - began < _START_TIMEOUT for began in _starting.values())
