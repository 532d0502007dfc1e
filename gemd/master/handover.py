"""The successor: a new master, of new code perhaps, that is handed the sockets of this one.

Rules: it inherits descriptors and one variable of the environment that names them; the two talk over a channel, one
word a message; until the new one serves nothing of the old one's is given away, only shared. It is a child of nobody
here, so that a service manager takes it for its own.
"""

import contextlib
import os
import signal
import socket
import stat
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from gemd.master.control import ControlSocket
from gemd.system import process
from gemd.system.last_words import HANDOVER, MOST, write_reasons
from gemd.system.listener import Listener
from gemd.system.pid_file import PidFile

_UNTOUCHABLE = {signal.SIGKILL, signal.SIGSTOP}

# What is said: by the new master that it serves, or why it never will (by `explain`), by the old one that it speaks for
# the service no more, by the new one that it ends as it was told to.
READY, GO, BYE = b"ready", b"go", b"bye"
GONE = b""  # the other end was closed, by its process's end if nothing else


class Handover(msgspec.Struct, frozen=True):
    """What a master leaves to its successor: descriptors, and where it was started.

    `listeners` are descriptor, address as configured, and whether systemd gave it.
    """

    predecessor: int
    directory: str
    channel: int
    listeners: tuple[tuple[int, str, bool], ...]
    lock: int | None
    control: tuple[int, str] | None

    @property
    def sockets(self) -> list[int]:
        """The descriptors of the channel, the listeners and the control socket."""
        every = [self.channel, *(listener[0] for listener in self.listeners)]
        return every if self.control is None else [*every, self.control[0]]

    @property
    def descriptors(self) -> list[int]:
        """All that has to survive exec."""
        return self.sockets if self.lock is None else [*self.sockets, self.lock]


def take_handover(environ: MutableMapping[str, str]) -> Handover | None:
    """What the process that started this one left to it, if it was a master; takes it from `environ`."""
    text = environ.pop(HANDOVER, None)
    if text is None:
        return None
    try:
        handover = msgspec.json.decode(text, type=Handover)
        if not all(stat.S_ISSOCK(os.fstat(descriptor).st_mode) for descriptor in handover.sockets):
            return None
        for descriptor in handover.descriptors:
            os.set_inheritable(descriptor, False)
    except (msgspec.DecodeError, OSError, OverflowError):
        return None  # it was meant for somebody else
    return handover


class Channel:
    """One end of the line between an old master and a new one."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._socket.setblocking(False)
        self.is_open = True

    def say(self, word: bytes) -> None:
        """Send a word; nothing happens if the other one has gone."""
        with contextlib.suppress(OSError):
            self._socket.send(word, socket.MSG_NOSIGNAL)

    def explain(self, *reasons: str) -> None:
        """Say why nothing comes of this master."""
        self.say(write_reasons(reasons))

    def hear(self) -> bytes | None:
        """The next word; None when there is none yet, GONE when the other end is closed."""
        for _ in range(2):
            try:
                return self._socket.recv(MOST)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                continue  # it left without reading our last word; what it said before is still there
            except OSError:
                break
        return GONE

    def close(self) -> None:
        """Hang up. In a worker too, which would otherwise keep the line open."""
        self._socket.close()
        self.is_open = False


class Successor:
    """A new master that was started and may or may not serve yet. Its pid can't be another's: `kill` goes by pidfd."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self._pidfd: int | None = None
        with contextlib.suppress(OSError):  # it has ended already, as the channel will say
            self._pidfd = os.pidfd_open(pid)

    def kill(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def close(self) -> None:
        """Let go of it."""
        self.channel.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def start_successor(
    directory: Path,
    listeners: Sequence[Listener],
    pid_file: PidFile | None,
    control: ControlSocket | None,
    variables: Mapping[str, str],
    streams: Mapping[int, int],
) -> Successor:
    """Start the program again as it was started, in `directory`, with these, and with copies of the standard `streams`
    that it had, by their numbers. Raises OSError.

    Runs in the master, which has no threads, so that nothing else can inherit a descriptor meanwhile.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handover = Handover(
        predecessor=os.getpid(),
        directory=str(directory),
        channel=its.fileno(),
        listeners=tuple((li.socket.fileno(), str(li.address), li.is_given) for li in listeners),
        lock=pid_file.lock if pid_file is not None else None,
        control=(control.listener.socket.fileno(), control.path) if control is not None else None,
    )
    environ = {**os.environ, **variables, HANDOVER: msgspec.json.encode(handover).decode()}
    command = build_command(sys.orig_argv, sys.argv)
    with its:
        try:
            pid = _spawn_orphan(command, environ, directory, handover.descriptors, streams)
        except OSError:
            ours.close()
            raise
    return Successor(pid, Channel(ours))


def build_command(original: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """How to start this program again: by its script where it has one, which may lead to another interpreter by now.

    `original` is the whole command line, `arguments` begin with the script (sys.orig_argv, sys.argv).
    """
    if list(original[1:]) == list(arguments) and os.access(arguments[0], os.X_OK):
        return list(arguments)
    return [sys.executable, *original[1:]]


def _spawn_orphan(
    command: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    descriptors: Sequence[int],
    streams: Mapping[int, int],
) -> int:
    """Run a program whose parent is init, or whoever adopts orphans in its place; its pid. Raises OSError."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    process.become_subreaper(False)
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            middle = os.fork()
            if middle == 0:
                _spawn_and_leave(command, environ, directory, descriptors, streams, write_end)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(write_end)
        os.waitpid(middle, 0)
        pid, _, number = os.read(read_end, 64).decode().partition(" ")
    finally:
        process.become_subreaper()
        os.close(read_end)
    if number or not pid:
        code = int(number or 0)
        raise OSError(code, os.strerror(code), command[0])
    return int(pid)


def _spawn_and_leave(
    command: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    descriptors: Sequence[int],
    streams: Mapping[int, int],
    report: int,
) -> NoReturn:
    """Runs in the process between the old master and the new; ends it."""
    try:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        with contextlib.suppress(OSError):  # every path that matters is absolute by now
            os.chdir(directory)
        default = signal.valid_signals() - _UNTOUCHABLE
        try:
            copies = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in streams.items()]
            pid = os.posix_spawn(
                command[0], list(command), environ, file_actions=copies, setsigmask=(), setsigdef=default
            )
            os.write(report, b"%d" % pid)
        except OSError as error:
            os.write(report, b"0 %d" % (error.errno or 0))
    finally:
        os._exit(0)
