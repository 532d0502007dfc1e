"""A connection with one upstream: what a codec has to say goes out, and what comes in is the codec's to read.

Rules: nothing here waits; an upstream may answer before it has read the request, and then it need not read the rest.
What one makes gemd say without reading it is bounded.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Collection

from gemd.protocol.response import when_writable
from gemd.responders.gateway.codec import Codec, CodecError

PIECE = 64 * 1024  # bytes that are received at once
_MAX_UNSENT = 64 * 1024  # bytes that nobody takes, when more is to be said


class UpstreamLink:
    """The socket, which is this object's from now on, and the codec for it."""

    def __init__(self, sock: socket.socket, codec: Codec) -> None:
        self.codec = codec
        self._socket = sock
        self._unsent = b""
        self._is_heard = True  # unless it has closed that side
        self._was_reset = False  # which the kernel says once, to whoever asks first

    @property
    def descriptors(self) -> Collection[int]:
        """What to watch, as for a `Source`: not what comes next, as long as the codec holds something back."""
        fd = self._socket.fileno()
        incoming = () if self.codec.has_more else (fd,)
        return (*incoming, when_writable(fd)) if self._unsent else incoming

    def advance(self) -> bytes | None:
        """What is new of the answer, which may be nothing; None where nothing has come. Raises CodecError."""
        self._send()
        data = b"" if self.codec.has_more else self._receive()
        if data is None:
            return None
        if not data and not self.codec.has_more:
            self.codec.end()
            return b""
        output = self.codec.feed(data)
        self._send()
        return output

    def _send(self) -> None:
        """What the upstream does not take any more is no fault: what it says will tell. Raises CodecError where it has
        gemd say more and more and takes none of it."""
        while data := self._unsent + (more := self.codec.take()) or self._take_upload():
            if more and len(self._unsent) > _MAX_UNSENT:
                raise CodecError("does not read what is said to it")
            try:
                count = self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                count = 0
            except OSError as error:
                self._was_reset |= error.errno == errno.ECONNRESET
                self._unsent, self._is_heard = b"", False
                return
            self._unsent = data[count:]
            if self._unsent:
                return

    def _take_upload(self) -> bytes:
        """A piece of it, which is read in vain for one that hears no more."""
        return self.codec.take_upload() if self._is_heard else b""

    def _receive(self) -> bytes | None:
        """What has come, b"" at its end, None where nothing has. Raises CodecError where it broke off."""
        try:
            data = self._socket.recv(PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            raise CodecError(f"broke off: {error.strerror}") from None
        if not data and self._was_reset:
            raise CodecError(f"broke off: {os.strerror(errno.ECONNRESET)}")
        return data

    def close(self) -> None:
        """Let go: an upstream that is still at it learns that by the end of its connection."""
        with contextlib.suppress(OSError):
            self._socket.close()
