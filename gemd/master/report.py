"""What a child of the master says of its task: what it tries, then what came of it, a line of JSON each.

Rules: whatever it says is checked as if a stranger had said it; it may say half of it, or nonsense, or end at any
moment. Descriptors come beside lines of their own.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec

from gemd.exit_codes import ExitCode
from gemd.master.child import Child
from gemd.master.deaths import describe_end
from gemd.system import process
from gemd.system.attempt import report_attempts
from gemd.system.descriptors import receive_descriptors
from gemd.system.log import error_log
from gemd.system.signals import GROUP_SIGNALS, SignalQueue

FAULT = "a fault of gemd itself; the error log has a traceback"

_MAX_SIZE = 64 * 1024**2  # bytes of all that a child may say
_PIECE_SIZE = 256 * 1024
_MAX_DESCRIPTORS = 1024  # that it may have opened
_MAX_AT_ONCE = 64  # that come with one piece
_UNHEEDED_SIGNALS = tuple(number for number in GROUP_SIGNALS if number != signal.SIGTERM)  # which ends a child


class TaskError(Exception):
    """What was to be done can't be; `lines` say why."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


class Outcome(msgspec.Struct):
    """What came of a task: `content` is what JSON can say, lone surrogates included. The `descriptors` are of whoever
    takes it."""

    content: object
    descriptors: list[int] = []


class _Trying(msgspec.Struct, tag="trying"):
    """Nothing that may hang, where the text is empty."""

    text: str


class _Opened(msgspec.Struct, tag="opened"):
    """A descriptor comes with it."""


class _Refused(msgspec.Struct, tag="refused"):
    lines: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class _Found(msgspec.Struct, tag="found"):
    content: object


_Message = _Trying | _Opened | _Refused | _Found


class Report:
    """What the child has said so far. `attempt` is what it tries: what did not come about if nothing more is said."""

    def __init__(self, child: Child, attempt: str) -> None:
        self.attempt = self._task = attempt
        self._child = child
        self._received = bytearray()
        self._size = 0
        self._opened = 0  # descriptors that it has told of
        self._descriptors: list[int] = []

    def read(self) -> Outcome | None:
        """What came of it, once that has been said. Raises TaskError where nothing did."""
        code = self._child.code  # before the last that it has said is read
        self._receive()
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            message = _parse(line)
            if isinstance(message, _Refused):
                raise TaskError(*message.lines)
            if isinstance(message, _Found):
                return self._complete(message.content)
            if isinstance(message, _Trying):
                self.attempt = message.text or self._task
            else:
                self._opened += 1
        if code is not None:
            raise TaskError(f"{self.attempt}: the process that tried it {describe_end(code)}")
        return None

    def _receive(self) -> None:
        """All that has come. Raises TaskError where it is too much."""
        while self._child.channel.fileno() >= 0:
            try:
                data, descriptors = receive_descriptors(self._child.channel, _PIECE_SIZE, _MAX_AT_ONCE)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            self._descriptors += descriptors
            self._received += data
            self._size += len(data)
            if self._size > _MAX_SIZE or len(self._descriptors) > _MAX_DESCRIPTORS:
                raise _nonsense("it is too much")
            if not data:
                self._child.hang_up()  # its exit code says the rest

    def _complete(self, content: object) -> Outcome:
        if self._opened != len(self._descriptors):
            raise TaskError(f"{self.attempt}: too few descriptors are free")
        descriptors, self._descriptors = self._descriptors, []
        return Outcome(content, descriptors)

    def end(self) -> None:
        """Kill the child, whatever it is at, and forget what it has opened."""
        self._child.kill()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []


def _parse(line: bytes | bytearray) -> _Message:
    try:
        message: _Message = msgspec.convert(json.loads(line), _Message)
    except (ValueError, RecursionError) as error:
        raise _nonsense(str(error)) from None
    return message


def _nonsense(reason: str) -> TaskError:
    return TaskError(f"what a child of the master said can't be used: {reason}")


# In the child


def do(work: Callable[[], Outcome], channel: socket.socket, master: int) -> ExitCode:
    """Do the work, and tell by the channel what comes of it. `work` raises TaskError; `master` is the parent's pid.

    Runs in the child, whose signals are blocked until here.
    """
    SignalQueue(_UNHEEDED_SIGNALS)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    error_log.forget()
    process.set_title("loader")
    if not process.die_with_parent(master, signal.SIGKILL):
        return ExitCode.OK
    report_attempts(lambda text: _say(channel, _Trying(text)))
    try:
        found = work()
        for descriptor in found.descriptors:
            _say(channel, _Opened(), [descriptor])
        _say(channel, _Found(found.content))
    except TaskError as error:
        _say(channel, _Refused(error.lines))
    finally:
        if sys.exception() is not None:
            error_log.error("a fault in a child of the master", exc_info=sys.exception())
            _say(channel, _Refused((FAULT,)))
        error_log.finish()
    return ExitCode.OK


def _say(channel: socket.socket, message: _Message, descriptors: Iterable[int] = ()) -> None:
    line = json.dumps(msgspec.to_builtins(message)).encode() + b"\n"
    try:
        sent = socket.send_fds(channel, [line], list(descriptors))
        channel.sendall(line[sent:])
    except (BrokenPipeError, ConnectionResetError):
        os._exit(ExitCode.OK)  # nobody listens any more: the master is about to kill this process, or is gone itself
