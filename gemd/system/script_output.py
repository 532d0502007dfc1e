"""What a script writes: read without waiting, and over when its leader has ended, whoever else holds the pipe."""

import array
import fcntl
import os
import signal
import termios
import time
from collections.abc import Callable

_CHUNK = 64 * 1024
_MAX_STDERR = 64 * 1024
_MAX_DROPPED = 64  # chunks at once
_EXIT_TIMEOUT = 1.0  # seconds for a script that has closed its output to end as well


class ScriptError(Exception):
    """The script failed; the text says how, for the log."""


class ScriptExit(ScriptError):
    """It has written all that it wanted to, and ended with another code than 0."""


class ScriptOutput:
    """The reading ends of its standard output and error, which become this object's. `stderr` is the beginning of what
    it complained of; `deadline`, in monotonic seconds, is when to read again at the latest."""

    def __init__(self, output: int, errors: int, find_exit_code: Callable[[], int | None]) -> None:
        """`find_exit_code` has the code with which the leader ended, or minus the signal that ended it; None before."""
        self.stderr = b""
        self.deadline = float("inf")
        self._output = output
        self._errors = errors
        self._find_exit_code = find_exit_code
        self._left: int | None = None  # bytes of its output to be read, once it has ended
        self.open = {output, errors}  # what becomes readable, and has not ended
        for descriptor in (output, errors):
            os.set_blocking(descriptor, False)

    def read(self) -> bytes | None:
        """The next output; None when there is none yet, b"" when it is over and the script has ended as it should.

        Raises ScriptError when it was ended by a signal, and ScriptExit when it did not exit with code 0. Never waits.
        """
        code = self._find_exit_code()
        self.read_errors()
        if self._output in self.open:
            if code is not None and self._left is None:
                self._left = _count_waiting(self._output)  # what comes after that is of no interest: a grandchild's
            data = _read_some(self._output) if self._left is None or self._left > 0 else b""
            if data:
                if self._left is not None:
                    self._left -= len(data)
                return data
            if data is None and code is None:
                return None
            self.open.discard(self._output)
            self.deadline = time.monotonic() + _EXIT_TIMEOUT
        if code is None:
            # One that has closed its output and does not end is ended, which is no failure.
            return b"" if time.monotonic() >= self.deadline else None
        if code < 0:
            raise ScriptError(f"was ended by {_name_signal(-code)}")
        if code > 0:
            raise ScriptExit(f"exited with code {code}")
        return b""

    def read_errors(self) -> None:
        """Take what there is of its complaints, keep their first 64 KiB."""
        if self._errors not in self.open:
            return
        chunk = _read_some(self._errors)
        if chunk:
            self.stderr = (self.stderr + chunk)[:_MAX_STDERR]
        elif chunk is not None:
            self.open.discard(self._errors)

    def drop(self) -> None:
        """Take what others write to its output when it is over, so that they are not held up, and their complaints."""
        for _ in range(_MAX_DROPPED):
            self.read_errors()
            if not _read_some(self._output):
                return

    def close(self) -> None:
        """Close both."""
        for descriptor in (self._output, self._errors):
            os.close(descriptor)


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"


def _read_some(fd: int) -> bytes | None:
    """What a pipe holds; b"" at its end, None while it is empty."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None


def _count_waiting(fd: int) -> int:
    """How many bytes a pipe holds. A script may have made it larger than pipe(7) says."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]
