"""Lines of the error log on their way from a process beside the workers to its master, which writes them.

Rules: a line has how much it matters before it, as sd-daemon(3) has it, and a mark where it goes on with the one
before; the master is never waited for: what it can't take is lost, and counted.
"""

import re
import socket

from gemd.system.level import Level
from gemd.system.log import error_log

_SEVERITIES = {Level.DEBUG: 7, Level.INFO: 6, Level.WARNING: 4, Level.ERROR: 3}
_LEVELS = {str(number).encode(): level for level, number in _SEVERITIES.items()}
_LINE = re.compile(rb"<([3467])(\+?)>(.*)", re.DOTALL)


class MasterLog:
    """Where the error log of such a process goes: to `channel`, a line each."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lost = 0

    def write(self, line: str, level: Level) -> None:
        """Send one line, "warning: text" or what goes on with that. From any thread."""
        text = line.removeprefix(f"{level.word}: ")
        mark = "+" if text is line else ""
        if self._send(f"<{_SEVERITIES[level]}{mark}>{text}") and self._lost:
            lost, self._lost = self._lost, 0
            self._send(f"<{_SEVERITIES[Level.ERROR]}>{lost} lines of the error log were lost")

    def _send(self, text: str) -> bool:
        try:
            self._channel.send(
                text.encode("utf-8", "backslashreplace") + b"\n", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
            )
        except OSError:
            self._lost += 1
            return False
        return True

    def hasten(self) -> None:
        """Each line is on its way at once."""


def pass_on(line: bytes, name: str, pid: int) -> None:
    """Write a line of the process `name` to this one's error log. Runs in the master."""
    match = _LINE.fullmatch(line)
    level, goes_on, text = (_LEVELS[match[1]], match[2], match[3]) if match else (Level.ERROR, b"", line)
    if match is None:
        error_log.error("%s: %s", name, text.decode("utf-8", "replace"))
    else:
        error_log.pass_on(text.decode("utf-8", "replace"), level, pid, goes_on=bool(goes_on))
