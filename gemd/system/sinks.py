"""Where lines go: a file, standard output, standard error or syslog.

Rules: a line is whole or not there; it goes out by one write(2) to an O_APPEND descriptor, so that lines of several
processes never mix; what can't be written (a full disk, a reader that stopped) is not tried again.
"""

import contextlib
import errno
import os
import select
import socket
import stat
from collections.abc import Iterator, Sequence
from typing import Protocol

from gemd.config.types import Facility
from gemd.system.encoded_line import MAX_LINE, encode_line
from gemd.system.level import Level
from gemd.system.log_file import LogError, open_log_file
from gemd.system.patience import Patience
from gemd.system.standard_streams import StandardStreams
from gemd.system.syslog_sink import PRIORITIES, SyslogSink
from gemd.system.systemd import is_journal

_MAX_WRITE = 64 * 1024  # to a file, which takes a write of any size as a whole
Line = tuple[str, Level]


class Sink(Protocol):
    """Takes whole lines. `is_dated` says that it adds time and process itself, `reason` why lines were lost last, and
    `patience` how long it waits for who reads them."""

    is_dated: bool
    reason: str
    patience: Patience

    def write(self, lines: Sequence[Line]) -> int:
        """Write lines, given without their line ends; how many were lost."""

    def close(self) -> None:
        """Write no more."""


class DescriptorSink:
    """Lines to a descriptor of its own, which is that of the file `path` unless that is None. The journal is told by
    what a line begins with how much it matters (sd-daemon(3))."""

    def __init__(self, descriptor: int, *, path: str | None = None, is_journal: bool = False) -> None:
        self.is_dated = is_journal
        self.reason = ""
        self.patience = Patience()
        self.path = path
        self._is_torn = False  # the disk filled up in the middle of a line
        self._descriptor = descriptor
        mode = os.fstat(descriptor).st_mode
        self._max_write = _MAX_WRITE if stat.S_ISREG(mode) else MAX_LINE
        self._socket = socket.socket(fileno=descriptor) if stat.S_ISSOCK(mode) else None
        # A pipe or terminal whose reader has stopped would block its writer.
        self._poll: select.poll | None = None
        if not stat.S_ISREG(mode):
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)

    def write(self, lines: Sequence[Line]) -> int:
        """Write lines, each cut to 4096 bytes with its line end; how many were lost."""
        self.patience.begin()
        return sum(self._write_piece(piece) for piece in self._pieces(lines))

    def _pieces(self, lines: Sequence[Line]) -> Iterator[list[bytes]]:
        """The lines as bytes, together where a write may be large enough."""
        piece: list[bytes] = []
        size = 0
        for text, level in lines:
            line = self._encode(text, level)
            if piece and size + len(line) > self._max_write:
                yield piece
                piece, size = [], 0
            piece.append(line)
            size += len(line)
        if piece:
            yield piece

    def _encode(self, text: str, level: Level) -> bytes:
        if self.is_dated:
            text = f"<{PRIORITIES[level]}>{text}"
        return encode_line(text)

    def _write_piece(self, lines: list[bytes]) -> int:
        end = b"\n" * self._is_torn
        data = end + b"".join(lines)
        try:
            count = self._send(data)
        except OSError as error:
            self.reason = "nobody reads it" if error.errno == errno.EAGAIN else error.strerror or str(error)
            return len(lines)
        if count == len(data):
            self._is_torn = False
            return 0
        self.reason = os.strerror(errno.ENOSPC)
        if count > 0:
            self._is_torn = data[count - 1 : count] != b"\n"
        return len(lines) - max(0, data.count(b"\n", 0, count) - len(end))

    def _send(self, data: bytes) -> int:
        if self._poll is None:
            return os.write(self._descriptor, data)
        while True:
            if not self._poll.poll(0) and not self.patience.wait(self._poll):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            try:
                count = self._send_now(data)
            except BlockingIOError:  # another process was faster
                if not self.patience.wait(self._poll):
                    raise
            else:
                self.patience.renew()
                return count

    def _send_now(self, data: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return os.write(self._descriptor, data)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def move_to(self, descriptor: int) -> None:
        """Write to another file from now on; no line that is being written is torn. Takes the descriptor over. Raises
        OSError, and then lines go where they went."""
        try:
            os.dup2(descriptor, self._descriptor, inheritable=False)
        finally:
            with contextlib.suppress(OSError):  # what a network file system says of it is said of each write as well
                os.close(descriptor)

    def close(self) -> None:
        """Close the descriptor."""
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._descriptor)


def open_sink(target: str, streams: StandardStreams, facility: Facility = "daemon") -> Sink:
    """The sink for "stdout", "stderr", "syslog", as `facility`, or the path of a file. Raises LogError."""
    if target == "syslog":
        return SyslogSink(facility)
    if target in ("stdout", "stderr"):
        return _open_stream(target, streams.copies.get(1 if target == "stdout" else 2))
    return DescriptorSink(open_log_file(target), path=target)


def _open_stream(name: str, descriptor: int | None) -> DescriptorSink:
    """Standard output or error. A pipe or terminal is opened anew and non-blocking, for this process alone: two workers
    that both see room for one line would otherwise block each other when the reader has stopped."""
    if descriptor is None:
        raise LogError(f"can't open the log {name}: it is closed")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with contextlib.suppress(OSError):  # a socket can't be opened again, nor what belongs to another user
            return DescriptorSink(os.open(f"/proc/self/fd/{descriptor}", flags))
    return DescriptorSink(os.dup(descriptor), is_journal=is_journal(descriptor, os.environ))
