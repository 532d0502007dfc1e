"""Lines to syslog, in the form of syslog(3) (RFC 3164).

Rules: a daemon that has stopped reading is not waited for, as syslog(3) does; one that reads gets a moment, where a
thread writes, since the kernel keeps no more than ten lines for it (net.unix.max_dgram_qlen); one that was started anew
is connected to again, as far as it is within reach; nothing depends on the locale.
"""

import contextlib
import errno
import os
import select
import socket
import syslog
import time
from collections.abc import Sequence

from gemd.config.types import Facility
from gemd.system.encoded_line import encode_line
from gemd.system.level import Level
from gemd.system.patience import Patience

PRIORITIES = {
    Level.DEBUG: syslog.LOG_DEBUG,
    Level.INFO: syslog.LOG_INFO,
    Level.WARNING: syslog.LOG_WARNING,
    Level.ERROR: syslog.LOG_ERR,
}

_FACILITIES: dict[Facility, int] = {
    "daemon": syslog.LOG_DAEMON,
    "user": syslog.LOG_USER,
    "ftp": 11 << 3,  # RFC 3164, 4.1.1; this module has it from Python 3.13
    "local0": syslog.LOG_LOCAL0,
    "local1": syslog.LOG_LOCAL1,
    "local2": syslog.LOG_LOCAL2,
    "local3": syslog.LOG_LOCAL3,
    "local4": syslog.LOG_LOCAL4,
    "local5": syslog.LOG_LOCAL5,
    "local6": syslog.LOG_LOCAL6,
    "local7": syslog.LOG_LOCAL7,
}

_PATH = "/dev/log"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KINDS = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
_BUSY = frozenset({errno.EAGAIN, errno.ENOBUFS})


class SyslogSink:
    """Lines to syslog, as a facility."""

    is_dated = True

    def __init__(self, facility: Facility = "daemon") -> None:
        self.facility = facility
        self.reason = ""
        self.patience = Patience()
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect now, this process for itself: from a chroot it is too late. Where nobody listens, what there is
        stays, and is tried again with each line."""
        with contextlib.suppress(OSError):
            self._connect()

    def _connect(self) -> socket.socket:
        failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        for kind in _KINDS:
            new = socket.socket(socket.AF_UNIX, kind)
            try:
                new.setblocking(False)
                new.connect(_PATH)
            except OSError as error:
                new.close()
                failure = error
                if error.errno != errno.EPROTOTYPE:
                    break
            else:
                self.close()
                self._socket = new
                return new
        raise failure

    def write(self, lines: Sequence[tuple[str, Level]]) -> int:
        """Write lines; how many were lost."""
        self.patience.begin()
        return sum(not self._write(text, level) for text, level in lines)

    def _write(self, text: str, level: Level) -> bool:
        now = time.localtime()
        date = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
        line = f"<{_FACILITIES[self.facility] | PRIORITIES[level]}>{date} gemd[{os.getpid()}]: {text}"
        data = encode_line(line, b"")
        try:
            try:
                self._send(self._socket or self._connect(), data)
            except OSError as error:
                if error.errno in _BUSY:
                    raise
                self._send(self._connect(), data)
        except OSError as error:
            self.reason = "nobody reads it" if error.errno in _BUSY else error.strerror or str(error)
            return False
        return True

    def _send(self, connection: socket.socket, data: bytes) -> None:
        """One message; in a stream a NUL ends it. Raises OSError."""
        if connection.type == socket.SOCK_STREAM:
            data += b"\0"
        while True:
            try:
                count = connection.send(data, socket.MSG_NOSIGNAL)
                break
            except BlockingIOError:
                poll = select.poll()
                poll.register(connection, select.POLLOUT)
                if not self.patience.wait(poll):
                    raise
        self.patience.renew()
        if count < len(data):
            self.close()  # what follows would be taken for the rest of it
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def close(self) -> None:
        """Disconnect, until there is something to say again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
