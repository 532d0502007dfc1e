"""What a running script is to those who read it and end it, wherever it runs.

Rule: nothing but a start may wait for a disk, and nothing but an end for the script.
"""

from collections.abc import Collection
from typing import ClassVar, Protocol

import msgspec

TERM_TIMEOUT = 0.5  # seconds between TERM and KILL


class Remains(msgspec.Struct, frozen=True):
    """What had to be ended of a script: processes of its session, and others that had left one, its own or another
    script's. Of the former there may have been more."""

    processes: int = 0
    strays: int = 0


class Leader(Protocol):
    """The leading process of a script, and with it all that it began; `is_elsewhere` if another process does all this
    for it."""

    is_elsewhere: ClassVar[bool] = False

    def has_ended(self) -> bool:
        """Whether it has."""

    def fileno(self) -> int:
        """Readable when it has ended."""

    def terminate(self) -> None:
        """Ask it and all that it started to end."""

    def kill(self) -> None:
        """Have them end, whether they will or not."""

    def goes_on(self) -> bool:
        """Whether any of it does; takes what it writes meanwhile. Never waits."""

    def end_if_gone(self) -> bool:
        """Let go of everything, as `end` does, where it is seen at once that nothing is left. Never waits."""
        return False

    def end(self) -> Remains:
        """Kill what is left, and let go of everything. Waits for a leader that has not ended."""


class RunningScript(Leader, Protocol):
    """One run: `read` says what it has written, `stderr` what it complained of. It is made, then started, in another
    thread it may be; `end` comes last, at any time, or `discard` where it was not started."""

    def start(self) -> None:
        """Have it run. May wait for a disk. Raises ScriptError."""

    def discard(self) -> None:
        """Let go of what was made for one that was not started, or could not be."""
        return

    @property
    def stderr(self) -> bytes:
        """The beginning of what it complained of."""

    @property
    def deadline(self) -> float:
        """When to read again at the latest, in monotonic seconds."""

    @property
    def descriptors(self) -> Collection[int]:
        """What becomes readable when `read` has something new to say; before it is started, of what it writes alone."""

    def read(self) -> bytes | None:
        """The next output; None when there is none yet, b"" when it is over and the script has ended as it should.

        Raises ScriptError when it did not exit with code 0. Never waits.
        """
