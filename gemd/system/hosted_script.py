"""A script that another process starts, its script host: what that is asked, and what it tells.

Rules: a request is one message, and beside it one end of a socket, by which come the reading ends of the script's
output, and how it ended, then the script's directory, and what it reads, if anything; who closes the other end of the
socket has it ended. Nothing here waits for the host, which may be gone, or hang.
"""

import contextlib
import os
import socket
from collections.abc import Collection, Mapping
from functools import partial

import msgspec

from gemd.system.descriptors import receive_descriptors, send_descriptors
from gemd.system.running_script import Remains, RunningScript
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_output import ScriptError, ScriptOutput
from gemd.system.script_start import ScriptFile

Environ = Mapping[str, str]
_MAX_REQUEST = 256 * 1024  # bytes; the kernel sends no more at once
_MAX_MESSAGE = 4096
_HOST_ENDED = "lost its script host, which has ended"
_NOT_HEARD = "lost its script host, which has ended, or has no descriptors left"


class StartRequest(msgspec.Struct, frozen=True):
    """What is to be started: the program at `path`, by its name in the directory whose descriptor comes along."""

    path: bytes
    name: bytes
    environ: dict[bytes, bytes]
    limits: ScriptLimits
    after: float = 0.0  # seconds for which what it leaves behind may go on when it has ended
    has_body: bool = False  # to be read by the script: its descriptor comes along as well
    arguments: tuple[bytes, ...] = ()


class Started(msgspec.Struct, frozen=True, tag=True):
    """It runs; the reading ends of its output and error come along."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """It could not be started; the text says why, for the log."""

    text: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """Its leader has ended with this code, or was ended by the signal whose number this is, times -1."""

    code: int


class Gone(msgspec.Struct, frozen=True, tag=True):
    """Nothing is left of it; what had to be ended. The end of the socket follows."""

    remains: Remains


Message = Started | Failed | Ended | Gone
_MESSAGE = msgspec.msgpack.Decoder(Message)
_REQUEST = msgspec.msgpack.Decoder(StartRequest)


class HostedScript(RunningScript):
    """One run, as who has asked for it knows it."""

    is_elsewhere = True
    _control: socket.socket  # once it is started

    def __init__(
        self, requests: socket.socket, file: ScriptFile, environ: Environ, limits: ScriptLimits, after: float = 0.0
    ) -> None:
        """It is asked for by `requests` when it is started."""
        self._ask = partial(_ask, requests, file, environ, limits, after)
        self._is_started = False
        self._text: ScriptOutput | None = None
        self._code: int | None = None
        self._failure: ScriptError | None = None
        self._remains: Remains | None = None

    def start(self) -> None:
        try:
            self._control = self._ask()
        except BlockingIOError:
            raise ScriptError("can't be started: its script host does not answer") from None
        except OSError as error:
            raise ScriptError(f"can't be started: its script host can't be asked: {error.strerror}") from None
        except ValueError as error:  # a lone surrogate in its environment
            raise ScriptError(f"can't be started: {error}") from None
        self._is_started = True

    @property
    def stderr(self) -> bytes:
        return self._text.stderr if self._text is not None else b""

    @property
    def deadline(self) -> float:
        return self._text.deadline if self._text is not None else float("inf")

    @property
    def descriptors(self) -> Collection[int]:
        return (self.fileno(), *(self._text.open if self._text is not None else ())) if self._is_started else ()

    def read(self) -> bytes | None:
        self._hear()
        if self._failure is not None:
            raise self._failure
        return self._text.read() if self._text is not None else None

    def _hear(self) -> None:
        """Take what the host has said."""
        while self._failure is None and self._remains is None:
            try:
                data, descriptors = receive_descriptors(self._control, _MAX_MESSAGE, 2)
            except BlockingIOError:
                return
            except OSError:  # it has ended without reading what was said last
                data, descriptors = b"", []
            try:
                self._note(_MESSAGE.decode(data) if data else self._lost(), descriptors)
            except msgspec.DecodeError as error:
                self._failure = ScriptError(f"has a script host that says what can't be understood: {error}")
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _lost(self) -> Failed | Gone:
        if self._code is not None:
            return Gone(Remains())
        return Failed(_HOST_ENDED if self._text is not None else _NOT_HEARD)

    def _note(self, message: Message, descriptors: list[int]) -> None:
        """Has what it keeps of the descriptors taken out of the list."""
        if isinstance(message, Failed):
            self._failure = ScriptError(message.text)
        elif isinstance(message, Ended) and self._text is not None:
            self._code = message.code
        elif isinstance(message, Gone):
            self._remains = message.remains
            if self._code is None:  # it was wanted no more
                self._failure = ScriptError("was ended by its script host")
        elif isinstance(message, Started) and self._text is None and len(descriptors) == 2:
            self._text = ScriptOutput(descriptors[0], descriptors[1], lambda: self._code)
            descriptors.clear()
        else:
            self._failure = ScriptError("can't be read from: too few descriptors are free")

    def _is_over(self) -> bool:
        return self._code is not None or self._failure is not None

    def has_ended(self) -> bool:
        self._hear()
        return self._is_over()

    def fileno(self) -> int:
        return self._control.fileno()

    def terminate(self) -> None:
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        # The host kills it by itself. Should that hang, nobody here waits for it.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def goes_on(self) -> bool:
        if self._text is not None:
            self._text.drop()
        self._hear()
        return self._failure is None and self._remains is None

    def end(self) -> Remains:
        if self._text is not None:
            self._text.read_errors()
            self._text.close()
        self._control.close()
        return self._remains or Remains()


def _ask(
    requests: socket.socket, file: ScriptFile, environ: Environ, limits: ScriptLimits, after: float
) -> socket.socket:
    """The socket by which the answer comes. Raises OSError, and ValueError for an environment that can't be."""
    encoded = {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}
    path, name, *arguments = map(os.fsencode, (file.path, file.name, *file.arguments))
    request = StartRequest(path, name, encoded, limits, after, file.body is not None, tuple(arguments))
    descriptors = [file.open(), *([file.body] if file.body is not None else [])]
    control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        control.setblocking(False)
        try:
            send_descriptors(requests, msgspec.msgpack.encode(request), [its.fileno(), *descriptors])
        except OSError:
            control.close()
            raise
    return control


# What the host does


def receive_request(requests: socket.socket) -> tuple[StartRequest, ScriptFile, socket.socket] | None:
    """What is asked next: the file and the socket are the caller's, who has to hurry: nobody else is heard meanwhile.
    None when there is nobody left who could ask.

    Raises BlockingIOError where nothing is asked, and ValueError for what can't be understood.
    """
    data, descriptors = receive_descriptors(requests, _MAX_REQUEST, 3)
    if not data:
        return None
    try:
        request = _REQUEST.decode(data)
        if len(descriptors) != 2 + request.has_body:
            raise ValueError("too few descriptors are free")
        control = socket.socket(fileno=descriptors[0])
    except (ValueError, OSError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError(f"a request can't be understood: {error}") from None
    path, name, *arguments = map(os.fsdecode, (request.path, request.name, *request.arguments))
    return request, ScriptFile(path, descriptors[1], name, (*descriptors[2:], None)[0], arguments), control


def is_wanted(control: socket.socket) -> bool:
    """Whether who has asked still waits."""
    try:
        control.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def tell(control: socket.socket, message: Message, *descriptors: int) -> None:
    """Tell who has asked, if anybody still listens: where descriptors can't be sent, that it failed. Any process of
    this user may use up how many may be under way (unix(7), ETOOMANYREFS)."""
    with contextlib.suppress(OSError):
        try:
            send_descriptors(control, msgspec.msgpack.encode(message), descriptors)
        except OSError as error:
            if not descriptors:
                raise
            failed = Failed(f"can't be read from: {error.strerror}")
            send_descriptors(control, msgspec.msgpack.encode(failed), ())
