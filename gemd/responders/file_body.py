"""The body of a file, piece by piece.

Rules: what is in memory is read at once, and no disk stops the event loop; a file that turns out shorter breaks off.
"""

import math
import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial

from gemd.protocol.response import BrokenBody, Helper
from gemd.system.page_cache import read_from_memory

_PIECE_SIZE = 64 * 1024
_DISK_TIMEOUT = 30.0  # seconds for one piece
_RETRY_INTERVAL = 0.05  # seconds until a thread may be had


class FileBody:
    """`size` bytes of an open file, piece by piece; a file that turns out shorter breaks off.

    What is in memory is read at once. A thread of the pool reads the rest, so that no disk stops the event loop; where
    none can be had it is tried again soon, and where the disk does not answer in the end the body breaks off.
    """

    descriptors: Collection[int] = ()

    def __init__(self, descriptor: int, size: int) -> None:
        self.deadline = math.inf
        self._descriptor = descriptor
        self._size = size
        self._offset = 0
        self._helper: Helper | None = None
        self._piece: Future[bytes] | None = None  # that a thread reads
        self._give_up_turn: Callable[[], None] | None = None
        self._late_at: float | None = None  # when the disk has had its time for the next piece

    def begin(self, helper: Helper) -> None:
        """Nothing is read yet."""
        self._helper = helper

    def read(self) -> bytes | None:
        """The next piece. Raises BrokenBody."""
        if self._offset >= self._size:
            return b""
        try:
            piece = self._take()
        except OSError as error:
            raise BrokenBody(f"reading failed: {error.strerror}") from None
        if piece is None:
            self._wait()
            return None
        self._late_at, self.deadline = None, math.inf
        if not piece:
            raise BrokenBody(f"the file shrank from {self._size} to {self._offset} bytes while it was sent")
        self._offset += len(piece)
        return piece

    def _take(self) -> bytes | None:
        size = min(_PIECE_SIZE, self._size - self._offset)
        if self._piece is not None:
            if not self._piece.done():
                return None
            piece, self._piece = self._piece, None
            return piece.result()
        data = read_from_memory(self._descriptor, size, self._offset)
        if data is not None:
            return data
        assert self._helper is not None  # it has begun
        piece, copy = Future[bytes](), os.dup(self._descriptor)  # the thread may still read when this is closed
        piece.add_done_callback(lambda _: os.close(copy))
        self._give_up_turn = self._helper.run(partial(_read_piece, piece, copy, size, self._offset))
        if self._give_up_turn is not None:
            self._piece = piece
        else:
            piece.cancel()
        return None

    def _wait(self) -> None:
        """Say when to be asked again. Raises BrokenBody when the disk has had its time."""
        now = time.monotonic()
        if self._late_at is None:
            self._late_at = now + _DISK_TIMEOUT
        if now >= self._late_at:
            raise BrokenBody(f"the disk did not answer within {_DISK_TIMEOUT:g} s")
        self.deadline = self._late_at if self._piece is not None else min(self._late_at, now + _RETRY_INTERVAL)

    def close(self) -> None:
        """Close the file. A piece whose turn has not come is not read any more."""
        if self._piece is not None:
            self._piece.cancel()
        if self._give_up_turn is not None:
            self._give_up_turn()
        os.close(self._descriptor)


def _read_piece(piece: "Future[bytes]", descriptor: int, size: int, offset: int) -> None:
    """Runs in a thread of the pool. The descriptor is closed with the piece."""
    if not piece.set_running_or_notify_cancel():
        return
    try:
        data = os.pread(descriptor, size, offset)
    except (OSError, MemoryError) as error:
        piece.set_exception(error)
    else:
        piece.set_result(data)
