"""What a script host is asked, and what it tells: the messages, and the host's side of their ways.

Rules: a request is one message, and beside it one end of a socket, by which come the reading ends of the script's
output, and how it ended, then the script's directory, and what it reads, if anything; who closes the other end of the
socket has it ended. Nothing here waits.
"""

import contextlib
import os
import socket
from collections.abc import Mapping

import msgspec

from gemd.system.descriptors import receive_descriptors, send_descriptors
from gemd.system.running_script import Remains
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_start import ScriptFile


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

MAX_MESSAGE = 4096  # bytes

_MAX_REQUEST = 256 * 1024  # bytes; the kernel sends no more at once
_MESSAGE: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_REQUEST = msgspec.msgpack.Decoder(StartRequest)


# The worker's side


def ask_to_start(
    requests: socket.socket, file: ScriptFile, environ: Mapping[str, str], limits: ScriptLimits, after: float
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


def parse_message(data: bytes) -> Message:
    """What the host says. Raises msgspec.DecodeError."""
    return _MESSAGE.decode(data)


# The host's side


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
