"""The control socket: what gemctl asks of the master, and what it is told.

Rules: one command a connection, one line of JSON each way; only root and the master's own user are heard, and of that
user nobody who descends from a process of gemd, as scripts do; nothing here blocks, and who does not send a line in
time is hung up on; nobody waits for somebody who says nothing.
"""

import contextlib
import json
import os
import select
import socket
import time

from gemd.config.types import Address
from gemd.system import process
from gemd.system.ancestry import find_ancestors, read_credentials
from gemd.system.listener import BindError, Listener, bind_unix

_COMMAND_TIMEOUT = 5.0  # seconds from a connection to its command
_ANSWER_TIMEOUT = 0.5  # seconds for an answer to be taken
_MAX_CALLERS = 32
_MAX_LINE = 4096


class Command:
    """A command that waits for its answer."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.name = name
        self._connection = connection

    def succeed(self, message: str = "", **content: object) -> None:
        """Say that it is done, and hang up."""
        self._send({"ok": True, **({"message": message} if message else {}), **content})
        self._connection.close()

    def fail(self, *errors: str) -> None:
        """Say why it can't be done, and hang up."""
        self._send({"ok": False, "errors": list(errors)})
        self._connection.close()

    def accept(self, message: str) -> None:
        """Say that it is begun; the line is cut when the master goes, and the process is gone a little later."""
        self._send({"ok": True, "message": message, "pid": os.getpid()})

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits."""
        return self._connection.fileno() >= 0

    def hang_up(self) -> None:
        """Say nothing more. In a worker too, which would otherwise keep the connection open."""
        self._connection.close()

    def _send(self, content: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            self._connection.settimeout(_ANSWER_TIMEOUT)
            self._connection.sendall(json.dumps(content).encode() + b"\n")


class _Caller:
    """A connection whose command has not arrived yet. `is_known` once it was looked at, and had not said enough."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.line = b""
        self.is_known = False


class ControlSocket:
    """A unix socket, on which callers are heard from `listen` on. What it waits for is registered with `poll` then."""

    def __init__(self, listener: Listener, poll: select.poll) -> None:
        self.listener = listener
        self._poll = poll
        self._is_listening = False
        self._is_watched = False  # the listener, by `poll`
        self._callers: dict[int, _Caller] = {}
        self._answering: list[Command] = []

    @property
    def path(self) -> str:
        """Where it listens."""
        return self.listener.address.path

    def listen(self) -> None:
        """Hear callers from now on."""
        self._is_listening = True
        self._watch(True)

    def pause(self) -> None:
        """Hear nobody, and leave callers to whoever else listens here, until `listen` is called again."""
        self._is_listening = False
        self._watch(False)
        for fd in list(self._callers):
            self._forget(fd).close()

    def _watch(self, wanted: bool) -> None:
        """Be woken by new connections, but not while none is accepted: those that wait would keep the master awake."""
        if wanted == self._is_watched:
            return
        if wanted:
            self._poll.register(self.listener.socket, select.POLLIN)
        else:
            self._poll.unregister(self.listener.socket)
        self._is_watched = wanted

    def take(self) -> list[Command]:
        """The commands that have arrived."""
        commands: list[Command] = []
        if not self._is_listening:
            return commands
        self._watch(self._accept())
        now = time.monotonic()
        for fd, caller in list(self._callers.items()):
            data: bytes | None = None
            try:
                data = caller.connection.recv(_MAX_LINE)
            except BlockingIOError:
                pass
            except OSError:
                data = b""
            caller.line += data or b""
            if b"\n" in caller.line:
                command = _parse(caller.line, self._forget(fd))
                if command is not None:
                    commands.append(command)
            elif data == b"" or len(caller.line) > _MAX_LINE or now >= caller.deadline:
                self._forget(fd).close()
            caller.is_known = True
        self._answering = [command for command in self._answering if command.is_open] + commands
        return commands

    def _accept(self) -> bool:
        """Accept callers, no more than are heard at once, as those that are refused may come without end. False when
        none can be accepted at the moment."""
        for _ in range(_MAX_CALLERS):
            oldest = self._oldest()
            if oldest is None and len(self._callers) >= _MAX_CALLERS:
                break
            try:
                connection, _ = self.listener.socket.accept()
            except BlockingIOError:
                return True
            except OSError:
                return False
            connection.setblocking(False)
            if (reason := _why_refused(connection)) is not None:
                Command("", connection).fail(reason)
                continue
            if oldest is not None and len(self._callers) >= _MAX_CALLERS:
                self._forget(oldest).close()
            self._callers[connection.fileno()] = _Caller(connection, time.monotonic() + _COMMAND_TIMEOUT)
            self._poll.register(connection, select.POLLIN)
        return True

    def _oldest(self) -> int | None:
        """Who has been waiting for longest, and can be hung up on to hear others; None when all have just come."""
        return next((fd for fd, caller in self._callers.items() if caller.is_known), None)

    def _forget(self, fd: int) -> socket.socket:
        self._poll.unregister(fd)
        return self._callers.pop(fd).connection

    def remove(self) -> None:
        """Remove the socket's file; a later gemd makes its own."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def close(self) -> None:
        """Close everything, in a worker too; the file stays."""
        for caller in self._callers.values():
            caller.connection.close()
        for command in self._answering:
            command.hang_up()
        self._callers.clear()
        self.listener.close()


def bind_control(path: str, poll: select.poll) -> ControlSocket:
    """A control socket at `path`, in a directory that exists. Raises BindError."""
    before = os.umask(0o177)
    try:
        return ControlSocket(bind_unix(Address("unix", 0, path)), poll)
    except BindError as error:
        raise _explain_control(error) from None
    finally:
        os.umask(before)


def check_control(path: str) -> None:
    """Raise BindError where `bind_control` would, but for one that somebody listens on. Nothing is made."""
    from gemd.system.listening_places import check_unix  # which no start needs

    try:
        check_unix(Address("unix", 0, path))
    except BindError as error:
        raise _explain_control(error) from None


def _explain_control(error: BindError) -> BindError:
    return BindError(f"the control socket: {error}")


def _why_refused(connection: socket.socket) -> str | None:
    """Why the caller may not command this master; None if it may."""
    uid = read_credentials(connection)[1]
    if uid == 0:
        return None
    if uid != os.geteuid():
        return "only root and the user that gemd runs as may command it"
    ancestors = find_ancestors(connection)
    if ancestors is None:
        return "it can't be told whether a script asks (/proc/PID/status): ask as root"
    if process.NAME in ancestors:
        return "scripts and applications of gemd may not command it"
    return None


def _parse(line: bytes, connection: socket.socket) -> Command | None:
    """The command in a line; one that is none is answered here."""
    try:
        request = json.loads(line.partition(b"\n")[0])
    except (ValueError, RecursionError):
        request = None
    name = request.get("command") if isinstance(request, dict) else None
    if isinstance(name, str):
        return Command(name, connection)
    Command("", connection).fail("expected a line such as " + '{"command": "status"}')
    return None
