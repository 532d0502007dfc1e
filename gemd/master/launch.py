"""Starting as a daemon: the shell that starts gemd waits until it serves, and is told how that went.

Rules: the one who waits does nothing else, and ends when the daemon has spoken or is gone.
"""

import contextlib
import os
import sys
from collections.abc import Iterable

from gemd.exit_codes import ExitCode
from gemd.system.detach import detach_process

# What a code means that only the master knows of; the others end the start before there is one.
_CAUSES = {
    ExitCode.PRIVILEGES: "privileges could not be dropped as asked",
    ExitCode.WORKERS: "the workers end before they serve",
    ExitCode.APPLICATION: "an application can't be loaded",
}


class Launch:
    """The daemon's line to who waits. Does nothing in a process that is not detached, or once it has spoken."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    def tell(self, code: ExitCode = ExitCode.OK) -> None:
        """Let the starting shell go, with this exit code."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, bytes([code]))
        self.close()

    def close(self) -> None:
        """Say nothing more. In a worker too."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def launch(keep: Iterable[int], error_target: str) -> Launch:
    """Go on as a daemon with the descriptors to `keep`; the process that called ends when the daemon serves.

    `error_target` is where the reason will stand if it fails.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(write_end)
        _wait(read_end, error_target)
    os.close(read_end)
    detach_process([*keep, write_end])
    return Launch(write_end)


def _wait(read_end: int, error_target: str) -> None:
    """Runs in the process that the shell started; ends it. Its signals go to the daemon, whose queue it shares."""
    spoken = os.read(read_end, 1)
    code = ExitCode(spoken[0]) if spoken else ExitCode.INTERNAL
    if code != ExitCode.OK:
        say_why(code, error_target)
    os._exit(code)


def say_why(code: ExitCode, error_target: str) -> None:
    """Say on standard error that it did not start, as far as a code tells why; more of it is in the error log, where
    who has typed the command may not look."""
    cause = _CAUSES.get(code, "a fault of gemd itself")
    text = f"gemd: it did not start: {cause}; the error log says more, {error_target}"
    print(text, file=sys.stderr, flush=True)
