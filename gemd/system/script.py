"""Running a script: started without forking the server, ended with everything it began.

Rules: what was found is what is started, in the directory where it was found; a script leads a session of its own and
has descriptors 0 to 2 and no other; its end is the end of its leader, never the end of its output alone; whatever it
left behind is killed with it.
"""

import contextlib
import errno
import os
import resource
import signal
from collections.abc import Collection, Mapping
from typing import ClassVar, Protocol

import msgspec

from gemd.config.cgi_settings import CGISettings
from gemd.system.orphans import find_left, kill_orphans, take_strays, unregister
from gemd.system.script_output import ScriptError, ScriptOutput
from gemd.system.script_start import ScriptFile, explain_first_line, start_script

_MAX_DESCRIPTORS = 1024  # by default; a script may raise it, as far as the server may
TERM_TIMEOUT = 0.5  # seconds between TERM and KILL

_WHY = {
    errno.ENOENT: "its interpreter (the #! line) or the script itself does not exist",
    errno.EACCES: "it, its interpreter or its directory may not be executed by uid {uid}",
    errno.ENOEXEC: "it is neither a program nor begins with a #! line",
    errno.ETXTBSY: "it is open for writing",
    errno.E2BIG: "its environment is too large",
}


class ScriptLimits(msgspec.Struct, frozen=True):
    """What a script may use: rlimits (seconds, bytes, bytes, processes of its user) and its niceness."""

    nice: int = 0
    cpu_seconds: int | None = None
    memory: int | None = None
    file_size: int | None = None
    processes: int | None = None

    @classmethod
    def of(cls, settings: CGISettings) -> "ScriptLimits":
        """Those that are configured."""
        return cls(settings.nice, settings.cpu_seconds, settings.memory, settings.file_size, settings.processes)


class Remains(msgspec.Struct, frozen=True):
    """What had to be ended of a script: processes of its session, and others that had left one, its own or another
    script's. Of the former there may have been more."""

    processes: int = 0
    strays: int = 0


class Leader(Protocol):
    """The leading process of a script, and with it all that it began; `is_elsewhere` if another process does all this
    for it."""

    is_elsewhere: ClassVar[bool] = False

    def has_ended(self) -> bool:
        """Whether it has."""

    def fileno(self) -> int:
        """Readable when it has ended."""

    def terminate(self) -> None:
        """Ask it and all that it started to end."""

    def kill(self) -> None:
        """Have them end, whether they will or not."""

    def goes_on(self) -> bool:
        """Whether any of it does; takes what it writes meanwhile. Never waits."""

    def end(self) -> Remains:
        """Kill what is left, and let go of everything. Waits for a leader that has not ended."""


class RunningScript(Leader, Protocol):
    """One run: `read` says what it has written, `stderr` what it complained of. `end` comes last, at any time."""

    @property
    def stderr(self) -> bytes:
        """The beginning of what it complained of."""

    @property
    def deadline(self) -> float:
        """When to read again at the latest, in monotonic seconds."""

    @property
    def descriptors(self) -> Collection[int]:
        """What becomes readable when `read` has something new to say."""

    def read(self) -> bytes | None:
        """The next output; None when there is none yet, b"" when it is over and the script has ended as it should.

        Raises ScriptError when it did not exit with code 0. Never waits.
        """


class ScriptProcess(Leader):
    """A child of this process. `output` and `errors` are the reading ends of what it writes, the caller's to close."""

    def __init__(self, file: ScriptFile, environ: Mapping[str, str], limits: ScriptLimits) -> None:
        """Start the program in its directory, without arguments. May wait for a disk. Raises ScriptError."""
        try:
            self.pid, held, self.output, self.errors = start_script(file, environ, limits != ScriptLimits())
        except OSError as error:
            why = explain_first_line(file, error.errno or 0) or _WHY.get(error.errno or 0, "").format(uid=os.geteuid())
            raise ScriptError(f"can't be started: {error.strerror}" + (f"; {why}" if why else "")) from None
        except ValueError as error:  # a NUL or a lone surrogate in its environment, "=" in the name of a variable
            raise ScriptError(f"can't be started: {error}") from None
        self.is_reaped = False
        self._left = 0  # processes, when they were first to be ended
        self._exit: int | None = None
        try:
            self._exit = os.pidfd_open(self.pid)
            _limit(self.pid, limits)
            _release(held)
        except (OSError, ValueError, OverflowError) as error:  # the last two: a limit that can't be
            self._end_all()
            for descriptor in (self.output, self.errors):
                os.close(descriptor)
            raise ScriptError(f"can't be limited and watched: {error}") from None
        finally:
            if held is not None:
                os.close(held)

    def exit_code(self) -> int | None:
        """The code of a leader that has ended, or minus the signal that ended it; it is not reaped yet, so that its pid
        stays its own."""
        result = os.waitid(os.P_PIDFD, self.fileno(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if result is None:
            return None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

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
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def goes_on(self) -> bool:
        return not self.has_ended() or bool(find_left(self.pid))

    def _count_left(self) -> None:
        if self._exit is not None and not self._left:
            self._left = len(find_left(self.pid)) + (not self.has_ended())

    def end(self) -> Remains:
        return self._end_all()

    def _end_all(self) -> Remains:
        self.kill()
        with contextlib.suppress(ChildProcessError):  # a sweep for orphans has reaped it
            os.waitpid(self.pid, 0)
        self.is_reaped = True
        with contextlib.suppress(ChildProcessError):  # what it left in its group, and was just killed
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        unregister(self.pid)
        if self._exit is not None:
            os.close(self._exit)
        kill_orphans(ending=self.pid)
        return Remains(self._left, take_strays())


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
        return {*self._text.open, self.fileno()}

    def read(self) -> bytes | None:
        return self._text.read()

    def goes_on(self) -> bool:
        self._text.drop()
        return super().goes_on()

    def end(self) -> Remains:
        remains = self._end_all()
        self._text.read_errors()
        self._text.close()
        return remains


def _release(held: int | None) -> None:
    """Let a script that was held go on."""
    if held is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(held, b"\n")


def _limit(pid: int, limits: ScriptLimits) -> None:
    """Set its limits. That of descriptors is not the server's, which programs that close or select(2) suffer from."""
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NPROC: limits.processes,
    }
    with contextlib.suppress(ProcessLookupError):
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(soft, _MAX_DESCRIPTORS), hard))
        for what, value in wanted.items():
            if value is not None:
                hard = resource.prlimit(pid, what)[1]
                most = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.prlimit(pid, what, (most, most))
        if limits.nice:
            os.setpriority(os.PRIO_PGRP, pid, limits.nice)
