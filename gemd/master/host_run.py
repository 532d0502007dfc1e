"""One process beside the workers, as its master watches it: what it says, and whether it still gives a sign of life.

Rule: what it says is shown and compared, and nothing else is done for it.
"""

import json
from collections.abc import Mapping

from gemd.config.settings import Timeouts
from gemd.exit_codes import ExitCode
from gemd.master.child import Child
from gemd.master.deaths import describe_end
from gemd.shared.host_log import pass_on
from gemd.shared.host_process import CHANGED, END, FIGURES, LEAVE, READY, SIGN, HostProcess
from gemd.system.log import error_log

_ASKS = 3  # times that one is asked within timeouts.worker
_PIECE = 4096
_MAX_PIECES = 64  # at one look, which is all that a socket holds
_MAX_LINE = 20_000


class HostRun:
    """From its start to its end."""

    def __init__(self, host: HostProcess, child: Child, timeouts: Timeouts, now: float) -> None:
        self.born = now
        self.is_ready = False
        self.wants_to_leave = False
        self.is_ending = False  # as it was told
        self.figures: Mapping[str, int] = {}
        self._host = host
        self._child = child
        self._timeouts = timeouts
        self._asked_at = self._heard_at = now
        self._end_by: float | None = None
        self._next_kill = now
        self._received = b""
        self._has_changed = False

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._child.pid

    @property
    def code(self) -> int | None:
        """How it has ended; None where it has not."""
        return self._child.code

    @property
    def state(self) -> str:
        """What it is at, in the words for workers."""
        if self.is_ending:
            return "draining"
        if not self.is_ready:
            return "starting"
        return "leaving" if self.wants_to_leave else "serving"

    def look(self, now: float) -> bool:
        """Hear what it says, and kill it when it is late; whether it has ended."""
        child = self._child
        code = child.code  # before the last that it has said is read
        self._hear(now)
        if code is not None:
            child.hang_up()
            if code != ExitCode.OK:
                error_log.error("%s (pid %d) %s", self._host.title, child.pid, self.describe_end())
            return True
        self._watch(now)
        return False

    def describe_end(self) -> str:
        """How it has ended."""
        assert self._child.code is not None
        return describe_end(self._child.code)

    def take_change(self) -> bool:
        """Whether a file that it is made of has changed since this was asked last."""
        has_changed, self._has_changed = self._has_changed, False
        return has_changed

    def end(self, now: float) -> None:
        """Have it end when it has answered all, for another has its place."""
        if self.is_ending:
            return
        self.is_ending = True
        self._end_by = now + self._timeouts.app + self._timeouts.stop
        self._child.tell(END)

    def _watch(self, now: float) -> None:
        """Ask for a sign of life, and kill it where none comes, where it does not get ready, or does not end."""
        timeout = self._timeouts.worker
        if now < self._next_kill:
            return
        if self._end_by is not None and now >= self._end_by:
            self._kill("it has not ended", now)
        elif self._host.is_needed and not self.is_ready and now - self.born >= self._timeouts.start:
            self._kill(f"it was not loaded within {self._timeouts.start:g} s (timeouts.start)", now)
        elif now - self._asked_at >= timeout / _ASKS and self._heard_at >= self._asked_at:
            self._asked_at = now
            self._child.tell(SIGN)
        elif self._heard_at < self._asked_at and now - self._asked_at > timeout:
            self._kill(f"no sign of life for {timeout:.0f} s", now)

    def _kill(self, reason: str, now: float) -> None:
        error_log.error("killing %s (pid %d): %s", self._host.title, self._child.pid, reason)
        self._next_kill = now + self._timeouts.worker  # one that waits for a disk can't be killed
        self._child.kill()

    def _hear(self, now: float) -> None:
        child = self._child
        for _ in range(_MAX_PIECES):
            if child.channel.fileno() < 0:
                break
            try:
                data = child.channel.recv(_PIECE)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                child.hang_up()
                break
            self._heard_at = now
            self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = rest[:_MAX_LINE]
        for line in lines:
            self._note(line)

    def _note(self, line: bytes) -> None:
        if line == READY:
            self.is_ready = True
        elif line.startswith(LEAVE) and self.wants_to_leave:
            return
        elif line.startswith(LEAVE):
            reason = line.removeprefix(LEAVE).decode("utf-8", "replace")
            error_log.info("%s (pid %d) %s; another follows", self._host.title, self._child.pid, reason)
            self.wants_to_leave = True
        elif line == CHANGED:
            self._has_changed = True
        elif line.startswith(FIGURES):
            self.figures = _read_figures(line.removeprefix(FIGURES))
        elif line:
            pass_on(line[:_MAX_LINE], self._host.title, self._child.pid)


def _read_figures(text: bytes) -> dict[str, int]:
    """The figures that these are; none where it is something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if type(value) is int}
