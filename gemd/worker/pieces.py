"""Bodies that are there as a whole, and too long to be encrypted in one go.

Rule: nobody waits for one.
"""

import math
from collections.abc import Collection

from gemd.protocol.response import Helper

_PIECE_SIZE = 64 * 1024


class Pieces:
    """Such as a long listing."""

    descriptors: Collection[int] = ()
    deadline = math.inf

    def __init__(self, body: bytes) -> None:
        self._left = memoryview(body)

    def begin(self, helper: Helper) -> None:
        """Nothing has to begin."""

    def read(self) -> bytes:
        """The next piece."""
        piece, self._left = self._left[:_PIECE_SIZE], self._left[_PIECE_SIZE:]
        return bytes(piece)

    def close(self) -> None:
        """Let go of the body."""
        self._left = memoryview(b"")
