"""The successor: a new master, of new code perhaps, that is handed the sockets of this one.

Rules: it inherits descriptors and one variable of the environment that names them; it says that it serves by a byte
in a pipe; until then nothing of the old master's is given away, only shared. Called by the master on SIGUSR2, and by
`gemd.__main__` in the process that was started so.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

import msgspec

from gemd.processes.control import ControlSocket
from gemd.system.listener import Listener
from gemd.system.pid_file import PidFile

_VARIABLE = "GEMD_HANDOVER"


class Handover(msgspec.Struct, frozen=True):
    """What a master leaves to its successor: descriptors, and where it was started.

    `listeners` are descriptor, address as configured, and whether systemd gave it.
    """

    predecessor: int
    directory: str
    ready: int
    listeners: tuple[tuple[int, str, bool], ...]
    lock: int | None
    control: tuple[int, str] | None

    @property
    def descriptors(self) -> list[int]:
        """All that has to survive exec."""
        every = [self.ready, *(listener[0] for listener in self.listeners)]
        if self.lock is not None:
            every.append(self.lock)
        return every if self.control is None else [*every, self.control[0]]

    def report_ready(self) -> None:
        """Tell the predecessor that it may leave. Called once, in the successor."""
        with contextlib.suppress(OSError):
            os.write(self.ready, b"1")
        os.close(self.ready)


def take_handover(environ: MutableMapping[str, str]) -> Handover | None:
    """What the process that started this one left to it, if it was a master; takes it from `environ`."""
    text = environ.pop(_VARIABLE, None)
    if text is None:
        return None
    try:
        handover = msgspec.json.decode(text, type=Handover)
        for descriptor in handover.descriptors:
            os.set_inheritable(descriptor, False)
    except (msgspec.DecodeError, OSError):
        return None  # it was meant for somebody else
    return handover if handover.predecessor == os.getppid() else None


class Successor:
    """A new master that was started and may or may not serve yet."""

    def __init__(self, pid: int, ready: int) -> None:
        self.pid = pid
        self._ready: int | None = ready

    def is_ready(self) -> bool:
        """Whether it has said that it serves."""
        if self._ready is None:
            return True
        with contextlib.suppress(BlockingIOError):
            if os.read(self._ready, 1):
                self.close()
                return True
        return False

    def close(self) -> None:
        """Close the pipe."""
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None


_UNTOUCHABLE = {signal.SIGKILL, signal.SIGSTOP}


def start_successor(
    directory: Path,
    listeners: Sequence[Listener],
    pid_file: PidFile | None,
    control: ControlSocket | None,
    variables: Mapping[str, str],
) -> Successor:
    """Start the program again as it was started, in `directory`, with these. Raises OSError.

    Runs in the master, which has no threads, so that nothing else can inherit a descriptor meanwhile.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    handover = Handover(
        predecessor=os.getpid(),
        directory=str(directory),
        ready=write_end,
        listeners=tuple((li.socket.fileno(), str(li.address), li.is_given) for li in listeners),
        lock=pid_file.lock if pid_file is not None else None,
        control=(control.listener.socket.fileno(), control.path) if control is not None else None,
    )
    environ = {**os.environ, **variables, _VARIABLE: msgspec.json.encode(handover).decode()}
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for descriptor in handover.descriptors:
            os.set_inheritable(descriptor, True)
        with contextlib.suppress(OSError):  # every path that matters is absolute by now
            os.chdir(directory)
        command = build_command(sys.orig_argv, sys.argv)
        pid = os.posix_spawn(
            command[0], command, environ, setsigmask=(), setsigdef=signal.valid_signals() - _UNTOUCHABLE
        )
    except OSError:
        os.close(read_end)
        raise
    finally:
        for descriptor in handover.descriptors:
            os.set_inheritable(descriptor, False)
        os.fchdir(before)
        os.close(before)
        os.close(write_end)
    return Successor(pid, read_end)


def build_command(original: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """How to start this program again: by its script where it has one, which may lead to another interpreter by now.

    `original` is the whole command line, `arguments` begin with the script (sys.orig_argv, sys.argv).
    """
    if list(original[1:]) == list(arguments) and os.access(arguments[0], os.X_OK):
        return list(arguments)
    return [sys.executable, *original[1:]]
