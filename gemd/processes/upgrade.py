"""An upgrade: a new master takes the place of this one.

Rules: the new one serves before the old one lets its workers drain; until the old one is gone it can take its place
back, and does so when the new one fails. Called by the master, turn by turn.
"""

import os
import signal

from gemd.processes.control import Command
from gemd.processes.generation import Generation
from gemd.processes.kernel import Kernel
from gemd.processes.service import Service
from gemd.processes.successor import Successor
from gemd.system.log import error_log

_GRACE = 5.0  # seconds between TERM and KILL for a successor that does not serve


class Upgrade:
    """What is under way, if anything. `is_retiring`: the successor serves, and this master only drains."""

    def __init__(self, kernel: Kernel, service: Service) -> None:
        self.is_retiring = False
        self._kernel = kernel
        self._service = service
        self._successor: Successor | None = None
        self._deadline = 0.0
        self._was_told_to_end = False
        self._command: Command | None = None

    @property
    def pid(self) -> int | None:
        """The successor's."""
        return self._successor.pid if self._successor is not None else None

    def begin(self, generation: Generation, now: float, command: Command | None = None) -> None:
        """Start the program anew. A failure is logged, and told to `command`."""
        self._command = command
        if self._successor is not None:
            self._refuse(command, "an upgrade is under way already")
        elif os.getpid() == 1:
            self._refuse(command, "process 1 of a container ends the container when it ends: restart it instead")
        else:
            try:
                self._successor = self._service.start_successor(generation)
            except OSError as error:
                self._refuse(command, f"the program can't be started again: {error.strerror}: {error.filename or ''}")
                return
            self._was_told_to_end = False
            self._deadline = now + 2 * generation.config.timeouts.start
            error_log.info("upgrading: a new master starts with pid %d", self._successor.pid)

    def _refuse(self, command: Command | None, reason: str) -> None:
        error_log.error("not upgraded: %s", reason)
        if command is not None:
            command.fail(reason)

    def step(self, now: float) -> bool:
        """Whether the successor has begun to serve in this turn, so that this master has to drain."""
        if self._successor is None or self.is_retiring:
            return False
        if self._successor.is_ready():
            self.is_retiring = True
            error_log.info("upgraded: the master with pid %d serves, this one drains", self._successor.pid)
            self._service.retire(self._successor.pid)
            if self._command is not None:
                self._command.succeed(f"the master with pid {self._successor.pid} serves")
                self._command = None
            return True
        if now >= self._deadline:
            self._kernel.kill(self._successor.pid, signal.SIGKILL if self._was_told_to_end else signal.SIGTERM)
            self._was_told_to_end = True
            self._deadline = now + _GRACE
        return False

    def end(self, number: signal.Signals) -> None:
        """The whole service is told to end, and so is a successor that does not serve yet."""
        if self._successor is not None and not self.is_retiring:
            self._kernel.kill(self._successor.pid, number)

    def bury(self, code: int) -> bool:
        """The successor has ended, with this exit code or minus a signal. Whether this master has to serve again."""
        assert self._successor is not None
        pid = self._successor.pid
        self._successor.close()
        self._successor = None
        if self.is_retiring and code == 0:
            return False  # it was told to stop, and so is everything
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        if self._was_told_to_end:
            cause += ", after it had not served in time"
        error_log.error("not upgraded: the new master (pid %d) ended with %s; this one goes on", pid, cause)
        if self._command is not None:
            self._command.fail(f"the new master ended with {cause}; the error log may say more")
            self._command = None
        was_retiring, self.is_retiring = self.is_retiring, False
        return was_retiring
