"""What this process is trying that hangs on others: on a disk, a network, a service of names.

Rule: whatever may have to wait for them is done inside `attempt`, so that where it comes to nothing somebody can say
what did.
"""

import contextlib
from collections.abc import Callable, Iterator

_under_way: list[str] = []  # the innermost one last
_hear: Callable[[str], None] | None = None


@contextlib.contextmanager
def attempt(text: str) -> Iterator[None]:
    """Inside, this is tried; `text` is what to say if nothing comes of it, as in "/etc/key.pem could not be read"."""
    _under_way.append(text)
    _tell()
    try:
        yield
    finally:
        _under_way.pop()
        _tell()


def attempt_under_way() -> str:
    """What is being tried at the moment, by the main thread; nothing if nothing is."""
    return _under_way[-1] if _under_way else ""


def report_attempts(hear: Callable[[str], None] | None) -> None:
    """Have each change told to `hear`, from now on."""
    global _hear
    _hear = hear
    _tell()


def _tell() -> None:
    if _hear is not None:
        _hear(attempt_under_way())
