"""Talks to the master over its control socket: one command, one line of JSON as the answer.

Rules: one deadline from connect to the end; whatever goes wrong says what the operator can do about it.
"""

import contextlib
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gemd.config.sources import INCLUDE, ConfigError, read_file, read_sources
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.terminal import escape
from gemd.system.deadline import Deadline

_MAX_ANSWER = 16 * 1024 * 1024  # the status of 512 workers is 100 KB


class Answer(msgspec.Struct, frozen=True):
    """What the master says; `status` to the command of that name, `message` to any other, `pid` before it ends."""

    ok: bool
    pid: int = 0
    message: str = ""
    errors: tuple[str, ...] = ()
    status: dict[str, object] = {}


def find_socket(given: Path | None, configuration: Path) -> Path:
    """The socket named on the command line, by the variable GEMD_CONTROL, or else by the key `control`.

    The rest of the file is not looked at, nor what it includes, unless the key can only be there: a mistake there must
    not keep anybody from looking at gemd or stopping it. Raises Failure for a file that can't be read, is not TOML, or
    lacks the key.
    """
    if given is not None:
        return given
    base = configuration.absolute().parent
    if variable := os.environ.get("GEMD_CONTROL"):
        from gemd.config.variables import parse_value

        return base / str(parse_value(variable, str))
    try:
        tables = read_file(configuration)
        if INCLUDE in tables and "control" not in tables:
            tables, origins = read_sources(configuration)
            base = origins.base_of("control")
        control = tables.get("control")
    except ConfigError as error:
        hint = "-s SOCKET names gemd's socket without it"
        raise Failure(*error.lines(), hint, code=ExitCode.CONFIGURATION) from None
    if control is None:
        raise Failure(
            f'{configuration}: has no key "control", so gemd has no socket to ask it by: '
            'set control = "/run/gemd/control.sock" above the first table and start gemd again',
            code=ExitCode.CONFIGURATION,
        )
    if not isinstance(control, str) or not control:
        raise Failure(f"{configuration}: control: expected the path of a socket", code=ExitCode.CONFIGURATION)
    return base / control


def ask(path: Path, command: str, timeout: float, *, until_gone: bool = False) -> Answer:
    """Send a command and wait for the answer, at most `timeout` seconds in all; with `until_gone`, wait for the end of
    the connection too. Raises Failure, also for an answer that says no."""
    deadline = Deadline(timeout)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            _connect(sock, path, deadline)
            sock.sendall(msgspec.json.encode({"command": command}) + b"\n")
            answer = _parse(_read_line(sock, deadline), path)
            if answer.ok and until_gone:
                with _watch(answer.pid) as process:
                    _wait_for_end(sock, deadline)
                    process.wait(deadline)
        except TimeoutError:
            raise Failure(
                f"{command}: no outcome within {timeout:g} s; gemd may still be at it, its error log knows"
            ) from None
        except ConnectionError:
            raise Failure("the master went away before it answered; its error log may know why") from None
    if not answer.ok:
        raise Failure(*map(escape, answer.errors or (f"gemd refused to {command} and gave no reason",)))
    return answer


def _connect(sock: socket.socket, path: Path, deadline: Deadline) -> None:
    while True:
        _arm(sock, deadline)
        try:
            return sock.connect(str(path))
        except BlockingIOError:
            time.sleep(0.05)  # more are waiting there than the kernel keeps
        except TimeoutError:
            raise
        except OSError as error:
            raise Failure(f"{path}: {_why_not(error)}") from None


def _why_not(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket: gemd does not run, or its configuration names another one"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there: gemd does not run"
    if isinstance(error, PermissionError):
        return "permission denied: only root and the user that gemd runs as may use it"
    return error.strerror or str(error)


def _arm(sock: socket.socket, deadline: Deadline) -> None:
    """Let the next call wait until the deadline. Raises TimeoutError when it has passed."""
    remaining = deadline.remaining()
    if not remaining:
        raise TimeoutError
    sock.settimeout(remaining)


def _read_line(sock: socket.socket, deadline: Deadline) -> bytes:
    line = bytearray()
    while b"\n" not in line[-65536:] and len(line) <= _MAX_ANSWER:
        _arm(sock, deadline)
        chunk = sock.recv(65536)
        if not chunk:
            break
        line += chunk
    if not line:
        raise ConnectionResetError
    return bytes(line).partition(b"\n")[0]


def _parse(line: bytes, path: Path) -> Answer:
    try:
        return msgspec.json.decode(line, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        shown = escape(line[:60].decode("utf-8", "backslashreplace"))
        raise Failure(f"{path}: what answers there is not gemd, or broke off: {shown!r}") from None


class _Process:
    """A process that may end."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def wait(self, deadline: Deadline) -> None:
        """Wait for its end. Raises TimeoutError."""
        if self._descriptor is None:
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(deadline.milliseconds()):
            raise TimeoutError


@contextlib.contextmanager
def _watch(pid: int) -> Iterator[_Process]:
    """The process with this pid, which is alive at this moment; an older master does not tell its pid."""
    try:
        descriptor = os.pidfd_open(pid) if pid > 0 else None
    except OSError:
        descriptor = None
    try:
        yield _Process(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_for_end(sock: socket.socket, deadline: Deadline) -> None:
    """Wait until the master has closed the connection, be it by dying."""
    try:
        while True:
            _arm(sock, deadline)
            if not sock.recv(4096):
                return
    except ConnectionError:
        return
