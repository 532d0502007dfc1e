"""The body of an upload on its way to an upstream, piece by piece.

Rules: a thread reads each piece, for that may wait for a disk; there is never more than one in memory; the next is only
read once the one before was taken.
"""

import os
import threading
from collections.abc import Callable

from gemd.protocol.response import Helper
from gemd.protocol.upload import Upload, UploadBody
from gemd.responders.gateway.codec import UploadFault

PIECE_OF_BODY = 32 * 1024  # bytes that are read at once: less than a link waits for to be taken
BLOCK = 128 * 1024  # bytes that make a progress


class RelayedBody:
    """All methods are the event loop's. `size` is what is to be sent in all; the file is a descriptor of this object's
    own from `begin` to `close`, since a thread may still read it when nobody wants it any more."""

    def __init__(self, body: UploadBody) -> None:
        self.size = body.size
        self._left = body.size  # that was not taken yet
        self._taken = 0  # since the last progress
        self._source = body.descriptor
        self._descriptor: int | None = None
        self._helper: Helper | None = None
        self._note_progress: Callable[[], None] | None = None
        self._piece = b""
        self._failure = ""
        self._is_reading = False
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether all of it was taken."""
        return not self._left

    def begin(self, helper: Helper, note_progress: Callable[[], None]) -> None:
        """Have the first piece read; `note_progress` is called whenever a BLOCK was taken, and at the end."""
        self._helper, self._note_progress = helper, note_progress
        try:
            self._descriptor = os.dup(self._source)
        except OSError as error:
            self._failure = error.strerror or ""
        self._read_on()

    def take(self) -> bytes:
        """The next piece; b"" where there is none yet, and then the helper is told when there is, and once all was
        taken. Raises UploadFault where it can't be read."""
        with self._lock:
            piece, self._piece = self._piece, b""
            failure = self._failure
        if failure:
            raise UploadFault(f"was not sent all of an upload: {failure}")
        self._left -= len(piece)
        self._taken += len(piece)
        if piece and self._note_progress is not None and (self._taken >= BLOCK or self.is_over):
            self._taken = 0
            self._note_progress()
        if piece:
            self._read_on()
        return piece

    def _read_on(self) -> None:
        if not self._left or self._failure or self._is_reading:
            return
        assert self._helper is not None
        self._is_reading = True
        if self._helper.run(self._read) is None:
            self._is_reading = False
            self._failure = "no thread is free"

    def _read(self) -> None:
        """Runs in a thread of the pool."""
        piece, failure = b"", ""
        try:
            assert self._descriptor is not None
            piece = os.pread(self._descriptor, min(PIECE_OF_BODY, self._left), self.size - self._left)
            failure = "" if piece else "its file is too short"
        except OSError as error:
            failure = error.strerror or ""
        finally:
            with self._lock:
                self._piece, self._failure = piece, failure
                self._is_reading = False
                is_last = self._is_closed
            if is_last:
                self._let_go()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._is_closed = True
            is_reading = self._is_reading
        if not is_reading:
            self._let_go()

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def relay_body(upload: Upload | None) -> RelayedBody | None:
    """What is to be sent on of an upload; None where nothing is, or it has not come yet."""
    return RelayedBody(upload.body) if upload is not None and upload.body is not None else None
