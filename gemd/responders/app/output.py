"""What an application has said and its client has not taken yet.

Rule: it is taken piece by piece, however much was said at once, so that a slow reader costs one piece besides.
"""

from collections import deque

PIECE_SIZE = 64 * 1024


class Output:
    """A queue of bytes, whose length is their number. For one thread at a time."""

    def __init__(self) -> None:
        self._chunks: deque[bytes | memoryview] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, chunk: bytes) -> None:
        """Keep what was said, without copying it."""
        self._chunks.append(chunk)
        self._size += len(chunk)

    def take(self) -> bytes:
        """The first of it, of at most PIECE_SIZE bytes."""
        pieces: list[bytes | memoryview] = []
        left = PIECE_SIZE
        while left and self._chunks:
            chunk = self._chunks.popleft()
            if len(chunk) > left:
                rest = memoryview(chunk)
                self._chunks.appendleft(rest[left:])
                chunk = rest[:left]
            pieces.append(chunk)
            left -= len(chunk)
        data = b"".join(pieces)
        self._size -= len(data)
        return data

    def clear(self) -> None:
        """Nobody wants it any more."""
        self._chunks.clear()
        self._size = 0
