"""Running a script: started without forking the server, read without waiting, ended with everything it began.

Rules: what was found is what is started, in the directory where it was found; a script leads a session of its own and
has descriptors 0 to 2 and no other; its end is the end of its leader, never the end of its output alone; whatever it
left behind is killed with it.
"""

import array
import contextlib
import errno
import fcntl
import os
import resource
import signal
import termios
import time
from collections.abc import Collection, Mapping

import msgspec

from gemd.system.orphans import kill_orphans, unregister
from gemd.system.script_start import ScriptFile, start_script

_CHUNK = 64 * 1024
_MAX_DESCRIPTORS = 1024  # by default; a script may raise it, as far as the server may
_MAX_STDERR = 64 * 1024
TERM_TIMEOUT = 0.5  # seconds between TERM and KILL
_EXIT_TIMEOUT = 1.0  # seconds for a script that has closed its output to end as well

_WHY = {
    errno.ENOENT: "its interpreter (the #! line) or the script itself does not exist",
    errno.EACCES: "it, its interpreter or its directory may not be executed by this user",
    errno.ENOEXEC: "it is neither a program nor begins with a #! line",
    errno.ETXTBSY: "it is open for writing",
    errno.E2BIG: "its environment is too large",
}


class ScriptError(Exception):
    """The script failed; the text says how, for the log."""


class ScriptLimits(msgspec.Struct, frozen=True):
    """What a script may use: rlimits (seconds, bytes, bytes, processes of its user) and its niceness."""

    nice: int = 0
    cpu_seconds: int | None = None
    memory: int | None = None
    file_size: int | None = None
    processes: int | None = None


class Script:
    """One run. `read` says what it has written, `stderr` what it complained of. `end` comes last, at any time."""

    def __init__(self, file: ScriptFile, environ: Mapping[str, str], limits: ScriptLimits) -> None:
        """Start the program in its directory, without arguments. May wait for a disk. Raises ScriptError."""
        self.stderr = b""
        self.deadline = float("inf")  # when to read again at the latest
        self.is_reaped = False
        self._left: int | None = None  # bytes of its output to be read, once it has ended
        try:
            self.pid, self._stdin, self._stdout, self._stderr = start_script(file, environ, limits != ScriptLimits())
        except OSError as error:
            why = _WHY.get(error.errno or 0)
            raise ScriptError(f"can't be started: {error.strerror}" + (f"; {why}" if why else "")) from None
        except ValueError as error:  # a NUL or a lone surrogate in its environment, "=" in the name of a variable
            raise ScriptError(f"can't be started: {error}") from None
        os.set_blocking(self._stdout, False)
        os.set_blocking(self._stderr, False)
        self._exit: int | None = None
        self._open = {self._stdout, self._stderr}
        try:
            self._exit = os.pidfd_open(self.pid)
            _limit(self.pid, limits)
            self._release()
        except (OSError, ValueError, OverflowError) as error:  # the last two: a limit that can't be
            self.end()
            raise ScriptError(f"can't be limited and watched: {error}") from None

    def _release(self) -> None:
        """Let a script that was held go on."""
        if self._stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._stdin, b"\n")
            os.close(self._stdin)
            self._stdin = None

    @property
    def descriptors(self) -> Collection[int]:
        """What becomes readable when `read` has something new to say."""
        return {*self._open, self.fileno()}

    def read(self) -> bytes | None:
        """The next output; None when there is none yet, b"" when it is over and the script has ended as it should.

        Raises ScriptError when it did not exit with code 0. Never waits.
        """
        code = self._exit_code()
        if self._stderr in self._open:
            self._read_stderr()
        if self._stdout in self._open:
            if code is not None and self._left is None:
                self._left = _count_waiting(self._stdout)  # what comes after that is of no interest: a grandchild's
            data = _read_some(self._stdout) if self._left is None or self._left > 0 else b""
            if data:
                if self._left is not None:
                    self._left -= len(data)
                return data
            if data is None and code is None:
                return None
            self._open.discard(self._stdout)
            self.deadline = time.monotonic() + _EXIT_TIMEOUT
        if code is None:
            # One that has closed its output and does not end is ended, which is no failure.
            return b"" if time.monotonic() >= self.deadline else None
        if code < 0:
            raise ScriptError(f"was ended by {_name_signal(-code)}")
        if code > 0:
            raise ScriptError(f"exited with code {code}")
        return b""

    def _exit_code(self) -> int | None:
        """The code of a leader that has ended, or minus the signal that ended it; it is not reaped yet, so that its pid
        stays its own."""
        result = os.waitid(os.P_PIDFD, self.fileno(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if result is None:
            return None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    def has_ended(self) -> bool:
        """Whether the leader has."""
        return self._exit_code() is not None

    def fileno(self) -> int:
        """Readable when the leader has ended (pidfd_open(2))."""
        assert self._exit is not None
        return self._exit

    def terminate(self) -> None:
        """Ask the script and all that it started to end."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Have them end, whether they will or not."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill what is left, reap the leader, and close everything. Waits for a leader that has not ended."""
        self.kill()
        with contextlib.suppress(ChildProcessError):  # a sweep for orphans has reaped it
            os.waitpid(self.pid, 0)
        self.is_reaped = True
        with contextlib.suppress(ChildProcessError):  # what it left in its group, and was just killed
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        unregister(self.pid)
        self._read_stderr()
        for descriptor in (self._exit, self._stdin, self._stdout, self._stderr):
            if descriptor is not None:
                os.close(descriptor)
        kill_orphans()

    def _read_stderr(self) -> None:
        """Take what there is, keep its first 64 KiB."""
        chunk = _read_some(self._stderr)
        if chunk:
            self.stderr = (self.stderr + chunk)[:_MAX_STDERR]
        elif chunk is not None:
            self._open.discard(self._stderr)


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"


def _read_some(fd: int) -> bytes | None:
    """What a pipe holds; b"" at its end, None while it is empty."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None


def _count_waiting(fd: int) -> int:
    """How many bytes a pipe holds. A script may have made it larger than pipe(7) says."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


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
