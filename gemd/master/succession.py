"""An upgrade: a new master takes the place of this one.

Rules: the new one serves before the old one lets its workers drain; until the old one is gone it can take its place
back, and does so when the new one fails.
"""

import enum
import os
import signal

from gemd.master.control import Command
from gemd.master.handover import BYE, GONE, READY, Successor
from gemd.master.notices import Notices
from gemd.shared.generation import Generation
from gemd.system.log import error_log

_KILL_TIMEOUT = 5.0  # seconds between TERM and KILL for a successor that does not serve


class Turn(enum.Enum):
    """What the master has to do: nothing new, drain, serve again, or end with its successor."""

    NOTHING = enum.auto()
    DRAIN = enum.auto()
    SERVE = enum.auto()
    END = enum.auto()


class Upgrade:
    """What is under way, if anything. `is_retiring`: the successor serves, and this master only drains.

    The master sets `is_allowed` when it serves: before, it could not take its place back.
    """

    def __init__(self, notices: Notices) -> None:
        self.is_retiring = False
        self.is_allowed = False
        self._notices = notices
        self._successor: Successor | None = None
        self._deadline = 0.0
        self._was_told_to_end = False
        self._has_old_logs = False
        self._command: Command | None = None

    @property
    def pid(self) -> int | None:
        """The successor's."""
        return self._successor.pid if self._successor is not None else None

    def begin(self, generation: Generation, now: float, command: Command | None = None) -> None:
        """Start the program anew. A failure is logged, and told to `command`."""
        if self._successor is not None:
            self._refuse(command, "an upgrade is under way already")
        elif not self.is_allowed:
            self._refuse(command, "no worker serves yet")
        elif os.getpid() == 1:
            self._refuse(command, "process 1 of a container ends the container when it ends: restart it instead")
        else:
            try:
                self._successor = self._notices.start_successor(generation)
            except OSError as error:
                self._refuse(command, f"the program can't be started again: {error.strerror}: {error.filename or ''}")
                return
            self._command = command
            self._was_told_to_end = self._has_old_logs = False
            self._deadline = now + 2 * generation.config.timeouts.start
            error_log.info("upgrading: a new master starts with pid %d", self._successor.pid)

    def _refuse(self, command: Command | None, reason: str) -> None:
        error_log.error("not upgraded: %s", reason)
        if command is not None:
            command.fail(reason)

    def note_reopening(self) -> None:
        """The log files were opened anew. A successor may have opened the former ones, and can't hear of it yet."""
        self._has_old_logs = True

    def step(self, now: float) -> Turn:
        """Hear what the successor says."""
        if self._successor is None:
            return Turn.NOTHING
        word = self._successor.channel.hear()
        if word == READY and not self.is_retiring:
            self._retire(self._successor)
            return Turn.DRAIN
        if word == BYE and self.is_retiring:
            self._let_go()
            return Turn.END
        if word in (GONE, BYE):
            return self._go_on(self._successor)
        if not self.is_retiring and now >= self._deadline:
            self._successor.kill(signal.SIGKILL if self._was_told_to_end else signal.SIGTERM)
            self._was_told_to_end = True
            self._deadline = now + _KILL_TIMEOUT
        return Turn.NOTHING

    def _retire(self, successor: Successor) -> None:
        self.is_retiring = True
        error_log.info("upgraded: the master with pid %d serves, this one drains", successor.pid)
        self._notices.retire(successor)
        if self._has_old_logs:
            successor.kill(signal.SIGUSR1)
        if self._command is not None:
            self._command.succeed(f"the master with pid {successor.pid} serves")
            self._command = None

    def _go_on(self, successor: Successor) -> Turn:
        """The successor has failed."""
        reason = "did not serve in time" if self._was_told_to_end else "has ended"
        error_log.error("not upgraded: the new master (pid %d) %s; this one goes on", successor.pid, reason)
        if self._command is not None:
            self._command.fail(f"the new master {reason}; the error log may say more")
            self._command = None
        was_retiring = self.is_retiring
        self._let_go()
        return Turn.SERVE if was_retiring else Turn.NOTHING

    def _let_go(self) -> None:
        if self._successor is not None:
            self._successor.close()
        self._successor = None
        self.is_retiring = False

    def end(self) -> None:
        """The whole service is told to end, and so is a successor that does not serve yet."""
        if self._successor is not None and not self.is_retiring:
            self._successor.kill(signal.SIGTERM)
