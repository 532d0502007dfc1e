"""A script that another process starts, its script host, as who has asked for it knows it.

Rule: nothing here waits for the host, which may be gone, or hang.
"""

import contextlib
import os
import socket
from collections.abc import Collection, Mapping
from functools import partial

import msgspec

from gemd.system.descriptors import receive_descriptors
from gemd.system.running_script import Remains, RunningScript
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_output import ScriptError, ScriptOutput
from gemd.system.script_requests import MAX_MESSAGE, Ended, Failed, Gone, Message, Started, ask_to_start, parse_message
from gemd.system.script_start import ScriptFile

Environ = Mapping[str, str]
_HOST_ENDED = "lost its script host, which has ended"
_NOT_HEARD = "lost its script host, which has ended, or has no descriptors left"


class HostedScript(RunningScript):
    """One run."""

    is_elsewhere = True
    _control: socket.socket  # once it is started

    def __init__(
        self, requests: socket.socket, file: ScriptFile, environ: Environ, limits: ScriptLimits, after: float = 0.0
    ) -> None:
        """It is asked for by `requests` when it is started."""
        self._ask = partial(ask_to_start, requests, file, environ, limits, after)
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
                data, descriptors = receive_descriptors(self._control, MAX_MESSAGE, 2)
            except BlockingIOError:
                return
            except OSError:  # it has ended without reading what was said last
                data, descriptors = b"", []
            try:
                self._note(parse_message(data) if data else self._lost(), descriptors)
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
