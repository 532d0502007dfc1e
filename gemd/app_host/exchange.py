"""One call in the application's process: the request comes by a socket, and the answer leaves by it.

Rules: nothing here waits; only an answer that is complete ends with FastCGI's END_REQUEST of 0; a worker that hangs up
wants it no more.
"""

import contextlib
import math
import os
import socket
from typing import Protocol

from gemd.protocol.errors import GeminiError, Overloaded
from gemd.protocol.fastcgi import FastCGIError, ParamsReader, ProtocolStatus, RecordType, encode_end, encode_stream
from gemd.protocol.response import BrokenBody, encode_header, error_response
from gemd.responders.app.call import Call
from gemd.responders.app.contract import BODY, CLIENT, Environ, close_result
from gemd.responders.app.environ import read_app_params
from gemd.responders.app.threads import AppThreads
from gemd.system.log import error_log

_PIECE = 64 * 1024  # bytes that are read at once
_MAX_UNSENT = 64 * 1024  # bytes that are ready and that the worker has not taken
_AT_ONCE = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_FAILED = 1  # the exit code of an answer that broke off


class Loop(Protocol):
    """Who looks after all of them."""

    def wake(self, exchange: "Exchange") -> None:
        """Have its `look` called. From any thread."""

    def begin_soon(self, exchange: "Exchange") -> None:
        """Have its `begin` called when there is nothing else to do."""

    def await_room(self, exchange: "Exchange", *, is_blocked: bool) -> None:
        """Look when the worker takes more, or no more than when it hangs up."""

    def forget(self, exchange: "Exchange") -> None:
        """It is over, and its socket is to be closed."""


class Exchange:
    """From the request's first octet to the answer's last. `client` is whose turn it takes; `body` is a descriptor of
    what is uploaded, which is this object's, as the socket is."""

    def __init__(self, loop: Loop, sock: socket.socket, threads: AppThreads, body: int | None = None) -> None:
        self.client = ""
        self.socket = sock
        self._loop = loop
        self._threads = threads
        self._body = body  # until the call has it
        self._reader = ParamsReader()
        self._call: Call | None = None
        self._unsent = b""
        self._is_asked = False  # the request is complete
        self._has_header = False
        self._is_complete = False  # all is in `_unsent`, or sent
        self._is_over = False

    @property
    def deadline(self) -> float:
        """When to look at the latest, in monotonic seconds."""
        return self._call.deadline if self._call is not None and not self._is_complete else math.inf

    def wake(self) -> None:
        """The application has said something. From any thread."""
        self._loop.wake(self)

    def hear(self) -> None:
        """The socket is readable: more of the request, or the worker has hung up."""
        try:
            data = self.socket.recv(_PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self._is_asked or self._is_complete:
            return
        try:
            self._is_asked = self._reader.feed(data)
        except (FastCGIError, ValueError) as error:
            self._refuse(error)
        if self._is_asked:
            self._loop.begin_soon(self)

    def begin(self) -> None:
        """The request is complete: hand it to the application's threads."""
        if self._is_over:
            return
        assert self._reader.params is not None
        try:
            environ = read_app_params(self._reader.params, self._body)
        except ValueError as error:
            self._refuse(error)
        else:
            self._body = None if BODY in environ else self._body
            self._call_for(environ)
            self.look()

    def _refuse(self, error: Exception) -> None:
        error_log.error("a request can't be understood: %s", error)
        self._complete(encode_end(_FAILED))
        self.look()

    def _call_for(self, environ: Environ) -> None:
        self.client = str(environ.get(CLIENT, ""))
        if not self._threads.has_place(self.client):
            self._complete(encode_end(protocol_status=ProtocolStatus.OVERLOADED))
            close_result(environ.get(BODY))
            return
        self._call = self._threads.make_call(None, environ)
        self._call.begin(self)

    def look(self) -> None:
        """Send what is there."""
        if self._is_over:
            return
        if self._call is not None and not self._is_complete:
            self._gather(self._call)
        is_blocked = False
        while self._unsent and not is_blocked:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent, _AT_ONCE) :]
            except BlockingIOError:
                is_blocked = True
            except OSError:
                self.close()
                return
            if not self._is_complete and self._call is not None and not is_blocked:
                self._gather(self._call)
        if self._is_complete and not self._unsent:
            self.close()
        else:
            self._loop.await_room(self, is_blocked=is_blocked)

    def _gather(self, call: Call) -> None:
        """Take what the application has said."""
        if not self._has_header:
            try:
                response = call.settle()
            except Overloaded:
                self._complete(encode_end(protocol_status=ProtocolStatus.OVERLOADED))  # for the worker to say and count
                return
            except GeminiError as error:
                response = error_response(error)
            if response is None:
                return
            self._has_header = True
            header = encode_header(response.status, response.meta)
            if isinstance(response.body, bytes):
                self._complete(encode_stream(RecordType.STDOUT, header + response.body) + encode_end())
                return
            self._unsent += encode_stream(RecordType.STDOUT, header)
        while len(self._unsent) < _MAX_UNSENT:
            try:
                piece = call.read()
            except BrokenBody as error:
                error_log.error("%s", error, exc_info=error.__cause__)
                self._complete(encode_end(_FAILED))
                return
            if piece is None:
                return
            if not piece:
                self._complete(encode_end())
                return
            self._unsent += encode_stream(RecordType.STDOUT, piece)

    def _complete(self, last: bytes) -> None:
        self._unsent += last
        self._is_complete = True

    def close(self) -> None:
        """It is over, or nobody wants it any more."""
        if self._is_over:
            return
        self._is_over = True
        if self._call is not None:
            self._call.close()
        if self._body is not None:
            os.close(self._body)
        self._loop.forget(self)
        with contextlib.suppress(OSError):
            self.socket.close()
