"""What a process says that comes to nothing: a new master to the one before it, a worker to its master.

Rules: who waits for a reload or an upgrade is told why there is none, wherever the error log is; nothing is imported
that may be missing; one message, which never waits for anybody and is cut to what one may be.
"""

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from types import TracebackType

HANDOVER = "GEMD_HANDOVER"  # the variable by which a master leaves something to its successor
MOST = 8192  # bytes of a message
_WHY = b"why\n"

_predecessor: int | None = None  # a descriptor


def write_reasons(lines: Iterable[str]) -> bytes:
    """The message that says so."""
    return (_WHY + "\n".join(lines).encode("utf-8", "backslashreplace"))[:MOST]


def read_reasons(message: bytes | None) -> tuple[str, ...]:
    """The lines of such a message; none if it is another."""
    if message is None or not message.startswith(_WHY):
        return ()
    return tuple(message.removeprefix(_WHY).decode("utf-8", "backslashreplace").splitlines())


def heed_predecessor(environ: Mapping[str, str]) -> None:
    """There may be a master that waits for this process to serve: tell it of faults too."""
    global _predecessor
    if HANDOVER not in environ:
        return
    with contextlib.suppress(ValueError, KeyError, TypeError, OSError, OverflowError):
        descriptor = json.loads(environ[HANDOVER])["channel"]
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            _predecessor = descriptor
            sys.excepthook = _tell_fault


def tell_predecessor(lines: Iterable[str]) -> None:
    """Say why this process will not serve; nothing happens where nobody waits for it."""
    if _predecessor is not None:
        with contextlib.suppress(OSError):
            os.write(_predecessor, write_reasons(lines))


def forget_predecessor() -> None:
    """Somebody else speaks to it from now on."""
    global _predecessor
    if _predecessor is not None:
        _predecessor = None
        sys.excepthook = sys.__excepthook__


def _tell_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    tell_predecessor([f"a fault of the program itself: {kind.__name__}: {error}"])
    sys.__excepthook__(kind, error, trace)
