"""Log files that are opened anew, as after a rotation, for the master and all workers.

Rules: a child opens them, since a disk may have to be waited for; if one can't be opened, or not in time, every log
goes where it went; however often it is asked for meanwhile, it is done once more.
"""

from collections.abc import Callable

from gemd.master.control import Command
from gemd.master.log_files import LogFiles
from gemd.master.notices import Notices
from gemd.master.process import ProcessControl
from gemd.master.report import FAULT, TaskError
from gemd.shared.generation import Generation
from gemd.system.log import error_log


class Reopening:
    """What is under way, if anything. `note` is called when the files are open."""

    def __init__(self, processes: ProcessControl, notices: Notices, note: Callable[[], None]) -> None:
        self._processes = processes
        self._notices = notices
        self._note = note
        self._generation: Generation | None = None  # whose logs are being opened
        self._is_wanted = False
        self._commands: list[Command] = []  # who waits for what is under way
        self._later: list[Command] = []  # who waits for the one after it

    def ask(self, command: Command | None = None) -> None:
        """It is wanted; `command` waits for its outcome."""
        self._is_wanted = True
        if command is not None:
            self._later.append(command)

    def step(self, generation: Generation, now: float) -> None:
        """Begin, wait for it or end it."""
        if self._generation is not None and self._generation is not generation:
            self._begin_again()
        if self._generation is None and self._is_wanted:
            self._begin(generation, now)
        if self._generation is not None:
            self._look(now)

    def _begin(self, generation: Generation, now: float) -> None:
        self._is_wanted = False
        self._commands, self._later = self._later, []
        self._generation = generation
        self._try(lambda: self._notices.reopening.begin(generation, self._processes, now))

    def _begin_again(self) -> None:
        """Another generation serves, which may have other logs."""
        self._notices.reopening.cancel()
        self._generation = None
        self._is_wanted = True
        self._commands, self._later = [], self._commands + self._later

    def _look(self, now: float) -> None:
        files = self._try(lambda: self._notices.reopening.poll(now))
        if files is not None:
            self._finish(files)

    def _try(self, step: Callable[[], LogFiles | None]) -> LogFiles | None:
        reasons: tuple[str, ...] = (FAULT,)
        files = None
        try:
            files = step()
            reasons = ()
        except TaskError as error:
            reasons = error.lines
        finally:
            if reasons:
                self._fail(*reasons)
        return files

    def _finish(self, files: LogFiles) -> None:
        self._generation = None
        if files:
            self._processes.hand_out(list(files), list(files.values()))
        self._note()
        error_log.info("the log files are open anew")
        for command in self._commands:
            command.succeed("the log files are open anew")
        self._commands = []

    def _fail(self, *reasons: str) -> None:
        self._notices.reopening.cancel()
        self._generation = None
        for reason in reasons:
            error_log.error("the log files stay as they are: %s", reason)
        for command in self._commands:
            command.fail(*reasons)
        self._commands = []
