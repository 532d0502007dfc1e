"""What this master is at the moment, and how another one takes its place by an upgrade.

Rules: there is one role, and a table of its changes; the new master serves before the old one lets its workers drain;
until the old one is gone it can take its place back, and does so when the new one fails.
"""

import enum
import os
import signal

import msgspec

from gemd.master.control import Command
from gemd.master.handover import BYE, GONE, READY, Successor
from gemd.master.notices import Notices
from gemd.shared.generation import Generation
from gemd.system.last_words import read_reasons
from gemd.system.log import error_log

_KILL_TIMEOUT = 5.0  # seconds between TERM and KILL for a successor that does not serve


class Role(enum.Enum):
    """What a master is at. A retired one is the service no more: its successor serves, and it only drains. It stays
    retired when it is told to stop, so that it leaves behind what its successor goes on using."""

    STARTING = "starting"
    SERVING = "serving"
    UPGRADING = "upgrading"
    RETIRED = "retired"
    STOPPING = "stopping"


# What may become of each. One that has not served yet is not succeeded, since it could not take its place back.
CHANGES = {
    Role.STARTING: {Role.SERVING, Role.STOPPING},
    Role.SERVING: {Role.UPGRADING, Role.STOPPING},
    Role.UPGRADING: {Role.SERVING, Role.RETIRED, Role.STOPPING},
    Role.RETIRED: {Role.SERVING},
    Role.STOPPING: set[Role](),
}


class ImpossibleChange(Exception):
    """A fault of gemd itself: a change of role that the table lacks."""

    def __init__(self, old: Role, new: Role) -> None:
        super().__init__(f"a master that is {old.value} can't become one that is {new.value}")


class _Attempt(msgspec.Struct, eq=False):
    """A successor that was started, and who waits for it. Past the deadline it is overdue, and told to end; it may
    have opened log files that are old by now. It may say `reasons` why it will not serve; else `log` may have them."""

    successor: Successor
    deadline: float
    command: Command | None
    log: str
    is_overdue: bool = False
    logs_are_old: bool = False
    reasons: tuple[str, ...] = ()


class Succession:
    """The role, and the upgrade that is under way, if any."""

    def __init__(self, notices: Notices) -> None:
        self.role = Role.STARTING
        self._notices = notices
        self._attempt: _Attempt | None = None

    def become(self, role: Role) -> None:
        """Change the role. Raises ImpossibleChange."""
        if role not in CHANGES[self.role]:
            raise ImpossibleChange(self.role, role)
        self.role = role

    def begin(self, generation: Generation, now: float, command: Command | None = None) -> None:
        """Start the program anew. A failure is logged, and told to `command`."""
        if os.getpid() == 1:
            self._refuse(command, "process 1 of a container ends the container when it ends: restart it instead")
            return
        try:
            successor = self._notices.start_successor(generation)
        except OSError as error:
            self._refuse(command, f"the program can't be started again: {error.strerror}: {error.filename or ''}")
            return
        deadline = now + 2 * generation.config.timeouts.start
        self._attempt = _Attempt(successor, deadline, command, generation.config.log.error)
        self.become(Role.UPGRADING)
        error_log.info("upgrading: a new master starts with pid %d", successor.pid)

    def _refuse(self, command: Command | None, reason: str) -> None:
        error_log.error("not upgraded: %s", reason)
        if command is not None:
            command.fail(reason)

    def note_reopening(self) -> None:
        """The log files were opened anew. A successor may have opened the former ones, and can't hear of it yet."""
        if self._attempt is not None:
            self._attempt.logs_are_old = True

    def step(self, now: float) -> bool:
        """Hear what the successor says, and change the role by it; whether this master is to end with its successor."""
        if self._attempt is None:
            return False
        word = self._attempt.successor.channel.hear()
        is_told_to_end = word == BYE and self.role is Role.RETIRED
        if is_told_to_end:
            self._forget()
        elif word in (GONE, BYE):
            self._go_on(self._attempt)
        elif self.role is Role.UPGRADING:
            self._attempt.reasons += read_reasons(word)
            if word == READY:
                self._retire(self._attempt)
            elif now >= self._attempt.deadline:
                self._end_overdue(self._attempt, now)
        return is_told_to_end

    def _retire(self, attempt: _Attempt) -> None:
        self.become(Role.RETIRED)
        error_log.info("upgraded: the master with pid %d serves, this one drains", attempt.successor.pid)
        self._notices.retire(attempt.successor)
        if attempt.logs_are_old:
            attempt.successor.kill(signal.SIGUSR1)
        if attempt.command is not None:
            attempt.command.succeed(f"the master with pid {attempt.successor.pid} serves")
            attempt.command = None

    def _end_overdue(self, attempt: _Attempt, now: float) -> None:
        attempt.successor.kill(signal.SIGKILL if attempt.is_overdue else signal.SIGTERM)
        attempt.is_overdue = True
        attempt.deadline = now + _KILL_TIMEOUT

    def _go_on(self, attempt: _Attempt) -> None:
        """The successor has failed."""
        what = "did not serve in time" if attempt.is_overdue else "has ended"
        for reason in attempt.reasons:  # its standard error may be nowhere
            error_log.error("not upgraded: %s", reason)
        error_log.error("not upgraded: the new master (pid %d) %s; this one goes on", attempt.successor.pid, what)
        if attempt.command is not None:
            unexplained = f"the new master {what} and has not said why; the error log may, {attempt.log}"
            attempt.command.fail(*attempt.reasons or (unexplained,))
        self._forget()
        was_retired = self.role is Role.RETIRED
        self.become(Role.SERVING)
        if was_retired:
            self._notices.resume()

    def _forget(self) -> None:
        if self._attempt is not None:
            self._attempt.successor.close()
            self._attempt = None

    def end(self) -> None:
        """The whole service is told to end, and so is a successor that does not serve yet. What is retired is the
        service no more: it ends as it is."""
        if self._attempt is not None and self.role is Role.UPGRADING:
            self._attempt.successor.kill(signal.SIGTERM)
        if self.role is not Role.RETIRED:
            self.become(Role.STOPPING)
