"""Running a script: started without forking the server, ended with everything it began.

Rules: what was found is what is started, in the directory where it was found; a script leads a session of its own and
has descriptors 0 to 2 and no other; its end is the end of its leader, never the end of its output alone; whatever it
left behind is killed with it.
"""

import contextlib
import os
import signal
from collections.abc import Collection, Mapping

from gemd.system.orphans import find_left, has_adopted, kill_orphans, take_strays, unregister
from gemd.system.running_script import Leader, Remains, RunningScript
from gemd.system.script_limits import NO_LIMITS, ScriptLimits, set_limits
from gemd.system.script_output import ScriptError, ScriptOutput
from gemd.system.script_start import Pipes, ScriptFile, explain_start_failure, start_script


class ScriptProcess(Leader):
    """A child of this process, once it is started; `output` and `errors` are the reading ends of what it writes, the
    caller's to close."""

    pid: int  # once it is started: 0 would be our own group

    def __init__(self, file: ScriptFile, environ: Mapping[str, str], limits: ScriptLimits) -> None:
        """What `start` takes. Raises ScriptError."""
        self._file = file
        self._environ = environ
        self._limits = limits
        self.is_reaped = False
        self._left = 0  # processes, when they were first to be ended
        self._exit: int | None = None
        self._code: int | None = None
        try:
            self._pipes = Pipes()
        except OSError as error:
            raise ScriptError(f"can't be started: {error.strerror}") from None
        self.output, self.errors = self._pipes.output, self._pipes.errors

    def start(self) -> None:
        """Start the program in its directory. May wait for a disk. Raises ScriptError."""
        try:
            self.pid, held = start_script(self._file, self._environ, self._pipes, self._limits != NO_LIMITS)
        except OSError as error:
            raise ScriptError(f"can't be started: {explain_start_failure(self._file, error)}") from None
        except ValueError as error:  # a NUL or a lone surrogate in its environment, "=" in the name of a variable
            raise ScriptError(f"can't be started: {error}") from None
        finally:
            self._pipes.close_theirs()
        try:
            self._exit = os.pidfd_open(self.pid)
            set_limits(self.pid, self._limits)
            _release(held)
        except (OSError, ValueError, OverflowError) as error:  # the last two: a limit that can't be
            self._end_all()
            raise ScriptError(f"can't be limited and watched: {error}") from None
        finally:
            if held is not None:
                os.close(held)

    def discard(self) -> None:
        """Let go of everything, of one that could not be started, or is not to be."""
        self._pipes.close_theirs()
        for descriptor in (self.output, self.errors):
            os.close(descriptor)

    def exit_code(self) -> int | None:
        """The code of a leader that has ended, or minus the signal that ended it; it is not reaped yet, so that its pid
        stays its own."""
        if self._code is None:
            result = os.waitid(os.P_PIDFD, self.fileno(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if result is not None:
                self._code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        return self._code

    def has_ended(self) -> bool:
        return self.exit_code() is not None

    def fileno(self) -> int:
        assert self._exit is not None
        return self._exit  # pidfd_open(2)

    def terminate(self) -> None:
        self._count_left()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        self._count_left()
        _kill_group(self.pid)

    def goes_on(self) -> bool:
        return not self.has_ended() or bool(find_left(self.pid))

    def _count_left(self) -> None:
        if self._exit is not None and not self._left:
            self._left = len(find_left(self.pid)) + (not self.has_ended())

    def end_if_gone(self) -> bool:
        if not self.has_ended() or has_adopted():
            return False
        self._reap()  # whose group may have one that it has made its sibling, and not its child
        return True

    def end(self) -> Remains:
        return self._end_all()

    def _end_all(self) -> Remains:
        self._count_left()
        self._reap()
        kill_orphans(ending=self.pid)
        return Remains(self._left, take_strays())

    def _reap(self) -> None:
        """Kill the leader and its group, and wait for it."""
        _kill_group(self.pid)
        _reap(self.pid)
        self.is_reaped = True
        unregister(self.pid)
        if self._exit is not None:
            os.close(self._exit)


class Script(ScriptProcess, RunningScript):
    """A child of this process whose output is read here."""

    def __init__(self, file: ScriptFile, environ: Mapping[str, str], limits: ScriptLimits) -> None:
        super().__init__(file, environ, limits)
        self._text = ScriptOutput(self.output, self.errors, self.exit_code)

    @property
    def stderr(self) -> bytes:
        return self._text.stderr

    @property
    def deadline(self) -> float:
        return self._text.deadline

    @property
    def descriptors(self) -> Collection[int]:
        if self._exit is None:
            return (self.output,)
        return (*self._text.open, self._exit)

    def read(self) -> bytes | None:
        return self._text.read()

    def goes_on(self) -> bool:
        self._text.drop()
        return super().goes_on()

    def end_if_gone(self) -> bool:
        if not super().end_if_gone():
            return False
        self._close()
        return True

    def end(self) -> Remains:
        remains = self._end_all()
        self._close()
        return remains

    def _close(self) -> None:
        self._text.read_errors()
        self._text.close()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _reap(leader: int) -> None:
    """Wait for it, and take what it left in its group, and was just killed."""
    try:
        os.waitpid(leader, 0)
        while os.waitpid(-leader, os.WNOHANG)[0]:
            pass
    except ChildProcessError:  # of either; a sweep for orphans may have reaped it
        return


def _release(held: int | None) -> None:
    """Let a script that was held go on."""
    if held is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(held, b"\n")
