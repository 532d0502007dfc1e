"""Running a script: started without forking the server, watched with one poll, ended with everything it began.

Rules: a script leads a session of its own and has descriptors 0 to 2 and no other; its end is the end of its leader,
never the end of its output alone; whatever it left behind is killed with it.
"""

import contextlib
import errno
import os
import resource
import select
import signal
import subprocess
from collections.abc import Mapping

import msgspec

from gemd.protocol.response import ClientLeft
from gemd.system import orphans
from gemd.system.deadline import Deadline

_CHUNK = 64 * 1024
_PIPE = 64 * 1024  # what a pipe holds (pipe(7)), and so the most that a script which has ended can have left in it
_MAX_STDERR = 64 * 1024
_TERM_TIMEOUT = 0.5  # seconds between TERM and KILL
_EXIT_TIMEOUT = 1.0  # seconds for a script that has closed its output to end as well

_HOLD = ("/bin/sh", "-c", 'read -r _ && exec "$0" </dev/null')

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
    """One run. `read` until it returns b"", then `finish`; or `abort` at any time. `stderr` is what it complained."""

    def __init__(self, path: str, environ: Mapping[str, str], limits: ScriptLimits, client: int) -> None:
        """Start the program at `path`, in its directory, without arguments. `client` is a descriptor that hangs up
        when the client leaves. Raises ScriptError."""
        self.stderr = b""
        self._client = client
        self._left = _PIPE
        self._has_exited = False
        try:
            self._popen = _start(path, environ, is_held=limits != ScriptLimits())
        except OSError as error:
            why = _WHY.get(error.errno or 0)
            raise ScriptError(f"can't be started: {error.strerror}" + (f"; {why}" if why else "")) from None
        self.pid = self._popen.pid
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._stdout, self._stderr = self._popen.stdout.fileno(), self._popen.stderr.fileno()
        os.set_blocking(self._stdout, False)
        os.set_blocking(self._stderr, False)
        self._exit = -1
        self._poll = select.poll()
        try:
            self._exit = os.pidfd_open(self.pid)
            _limit(self.pid, limits)
            self._release()
        except (OSError, ValueError, OverflowError) as error:  # the last two: a limit that can't be
            self._end()
            raise ScriptError(f"can't be limited and watched: {error}") from None
        for fd in (self._stdout, self._stderr, self._exit):
            self._poll.register(fd, select.POLLIN)
        self._poll.register(client, select.POLLRDHUP)

    def _release(self) -> None:
        """Let a script that was held go on."""
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._popen.stdin as held:
                held.write(b"\n")

    def read(self, deadline: Deadline, late: str) -> bytes:
        """The next output, as soon as there is any; b"" at its end.

        Raises ClientLeft, and ScriptError: with the text `late` when the deadline passes.
        """
        while True:
            events = dict(self._poll.poll(deadline.milliseconds()))
            self._has_exited = self._exit in events
            if self._client in events:
                raise ClientLeft("the client left")
            if deadline.has_passed() and not self._has_exited:
                raise ScriptError(late)
            if self._stderr in events:
                self._read_stderr()
            if self._stdout in events or self._exit in events:
                data = _read_some(self._stdout)
                if data and self._left > 0:
                    if self._exit in events:
                        self._left -= len(data)  # what stays in the pipe is of no interest: a grandchild's
                    return data
                if data is not None or self._exit in events:
                    return b""
            if deadline.has_passed():
                raise ScriptError(late)

    def finish(self) -> None:
        """Wait for a script whose output has ended. Raises ScriptError when it did not exit with code 0."""
        was_killed = not (self._has_exited or self._wait(_EXIT_TIMEOUT))
        self._end()
        code = self._popen.returncode
        if was_killed or code == 0:
            return
        if code < 0:
            raise ScriptError(f"was ended by {signal.Signals(-code).name}")
        raise ScriptError(f"exited with code {code}")

    def abort(self) -> None:
        """End the script and all that it started: TERM, then KILL."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGTERM)
        self._wait(_TERM_TIMEOUT)
        self._end()

    def _wait(self, seconds: float) -> bool:
        """Whether the leader ended within that time; it is not reaped yet, so that its pid stays its own."""
        deadline = Deadline(seconds)
        poll = select.poll()
        poll.register(self._exit, select.POLLIN)
        return bool(poll.poll(deadline.milliseconds()))

    def _end(self) -> None:
        """Kill what is left, reap the leader, and close everything."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        with contextlib.suppress(ChildProcessError):  # what it left in its group, and was just killed
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        orphans.forget(self.pid)
        self._read_stderr()
        if self._exit >= 0:
            os.close(self._exit)
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        orphans.kill_orphans()

    def _read_stderr(self) -> None:
        """Take what there is, keep its first 64 KiB."""
        chunk = _read_some(self._stderr)
        if chunk:
            self.stderr = (self.stderr + chunk)[:_MAX_STDERR]
        elif chunk is not None:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._stderr)


def _start(path: str, environ: Mapping[str, str], *, is_held: bool) -> subprocess.Popen[bytes]:
    """Start and register a program at once, so that `kill_orphans` never meets one that it does not know.

    One that `is_held` does not run before it is sent a line: limits are set from outside, and must be there first.
    """
    with orphans.registration() as register:
        popen = subprocess.Popen(
            [*_HOLD, path] if is_held else [path],
            env=environ,
            cwd=os.path.dirname(path),
            stdin=subprocess.PIPE if is_held else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        register(popen.pid)
    return popen


def _read_some(fd: int) -> bytes | None:
    """What a pipe holds; b"" at its end, None while it is empty."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None


def _limit(pid: int, limits: ScriptLimits) -> None:
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NPROC: limits.processes,
    }
    with contextlib.suppress(ProcessLookupError):
        for what, value in wanted.items():
            if value is not None:
                hard = resource.prlimit(pid, what)[1]
                most = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.prlimit(pid, what, (most, most))
        if limits.nice:
            os.setpriority(os.PRIO_PGRP, pid, limits.nice)
