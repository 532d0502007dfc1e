"""A body that is there as a whole, piece by piece.

Rule: nothing long is encrypted in one go, which would hold up the others and need as much memory again.
"""

import math
from collections.abc import Collection

from gemd.protocol.response import Helper

_PIECE_SIZE = 64 * 1024


class Pieces:
    """The pieces of `body`, such as a long listing: a body source that never has anybody wait."""

    descriptors: Collection[int] = ()
    deadline = math.inf

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._left = memoryview(body)

    def begin(self, helper: Helper) -> None:
        """Nothing has to begin."""

    def read(self) -> bytes:
        """The next piece; b"" after the last."""
        piece, self._left = self._left[:_PIECE_SIZE], self._left[_PIECE_SIZE:]
        return bytes(piece)

    def close(self) -> None:
        """Let go of the body."""
        self.body, self._left = b"", memoryview(b"")
