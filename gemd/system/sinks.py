"""Where lines go: a file, standard output, standard error or syslog.

Rules: a line is one write(2) to an O_APPEND descriptor, so that lines of several processes never mix; a line that can't
be written (a full disk, a reader that stopped) is counted and never waited for.
"""

import contextlib
import logging
import os
import select
import stat
import syslog
from typing import Protocol

_MAX_LINE = 4096  # PIPE_BUF: a write up to here is never mixed with another's
_PRIORITIES = {
    logging.DEBUG: syslog.LOG_DEBUG,
    logging.INFO: syslog.LOG_INFO,
    logging.WARNING: syslog.LOG_WARNING,
    logging.ERROR: syslog.LOG_ERR,
    logging.CRITICAL: syslog.LOG_CRIT,
}


class LogError(Exception):
    """A log can't be opened; the text names it."""


class Sink(Protocol):
    """Takes whole lines. `dropped` counts those that could not be written."""

    dropped: int

    def write(self, line: str, level: int = logging.INFO) -> None:
        """Write one line, given without its line end."""

    def close(self) -> None:
        """Write no more."""


class DescriptorSink:
    """Lines to a descriptor, which is that of the file `path` unless that is None."""

    def __init__(self, descriptor: int, *, owned: bool, path: str | None = None) -> None:
        self.dropped = 0
        self.path = path
        self._is_torn = False  # the disk filled up in the middle of a line
        self._descriptor = descriptor
        self._owned = owned
        # A pipe or terminal whose reader has stopped would block its writer, and with it a worker.
        self._poll: select.poll | None = None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)

    def write(self, line: str, level: int = logging.INFO) -> None:
        """Write one line, given without its line end, cut to 4096 bytes."""
        encoded = line.encode("utf-8", "backslashreplace")
        if len(encoded) >= _MAX_LINE:
            encoded = encoded[: _MAX_LINE - 5] + b" ..."
        encoded = b"\n" * self._is_torn + encoded + b"\n"
        try:
            if self._poll is not None and not self._poll.poll(0):
                self.dropped += 1
                return
            self._is_torn = os.write(self._descriptor, encoded) != len(encoded)
            self.dropped += self._is_torn
        except OSError:
            self.dropped += 1

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def move_to(self, descriptor: int) -> None:
        """Write to another file from now on; no line that is being written is torn. Takes the descriptor over."""
        os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)

    def close(self) -> None:
        """Close the descriptor if it was opened for this sink."""
        if self._owned:
            os.close(self._descriptor)


class SyslogSink:
    """Lines to syslog, as facility "daemon"."""

    dropped = 0

    def __init__(self) -> None:
        disconnect_syslog()

    def write(self, line: str, level: int = logging.INFO) -> None:
        """Write one line with the priority of `level`, a level of the logging module."""
        syslog.syslog(_PRIORITIES.get(level, syslog.LOG_INFO), line.encode("utf-8", "backslashreplace").decode())

    def close(self) -> None:
        """Disconnect, until there is something to say again."""
        disconnect_syslog()


def connect_syslog() -> None:
    """Connect now: from a chroot it is too late."""
    syslog.openlog("gemd", syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_DAEMON)


def disconnect_syslog() -> None:
    """Close the C library's own connection, which the next message opens: before all descriptors are closed."""
    syslog.closelog()
    syslog.openlog("gemd", syslog.LOG_PID, syslog.LOG_DAEMON)


class NoSink:
    """Lines to nowhere."""

    dropped = 0

    def write(self, line: str, level: int = logging.INFO) -> None:
        """Drop the line."""

    def close(self) -> None:
        """Nothing to close."""


def open_sink(target: str) -> Sink:
    """The sink for "stdout", "stderr", "syslog", "off" or the path of a file. Raises LogError."""
    if target == "off":
        return NoSink()
    if target == "syslog":
        return SyslogSink()
    if target in ("stdout", "stderr"):
        return _standard_sink(1 if target == "stdout" else 2)
    return DescriptorSink(open_log_file(target), owned=True, path=target)


def _standard_sink(descriptor: int) -> DescriptorSink:
    """Standard output or error. A pipe or terminal is opened anew and non-blocking, for this process alone: two workers
    that both see room for one line would otherwise block each other when the reader has stopped."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with contextlib.suppress(OSError):  # a socket can't be opened again, nor what belongs to another user
            return DescriptorSink(os.open(f"/proc/self/fd/{descriptor}", flags), owned=True)
    return DescriptorSink(descriptor, owned=False)


def open_log_file(path: str) -> int:
    """A descriptor that appends to the file, which is made if need be. Raises LogError."""
    _check_directory(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o640)
    except OSError as error:
        raise LogError(f"can't open the log {path}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LogError(f"can't open the log {path}: it is not a regular file")
    return descriptor


def _check_directory(path: str) -> None:
    """Raise LogError when others could put something in the place of the log at `path`: what root would then write to
    is theirs to choose."""
    directory = os.path.dirname(path)
    try:
        status = os.stat(directory)
    except OSError as error:
        raise LogError(f"can't open the log {path}: {error.strerror}") from None
    if status.st_mode & stat.S_IWOTH:
        raise LogError(f"can't open the log {path}: everyone may write in {directory}; give the logs one of their own")
    if os.geteuid() == 0 and (status.st_uid != 0 or status.st_mode & stat.S_IWGRP):
        raise LogError(
            f"can't open the log {path} as root: another user may write in {directory}; chown root and chmod g-w it"
        )
