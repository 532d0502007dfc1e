"""What an application has said, until the event loop takes it.

Rule: however large a chunk is, a slow reader costs no more than a piece besides.
"""

from collections import deque

_PIECE_SIZE = 64 * 1024


def take_piece(chunks: deque[bytes | memoryview]) -> bytes:
    """Take the first chunks, as many as make a piece; the last of them in part if need be."""
    pieces: list[bytes | memoryview] = []
    left = _PIECE_SIZE
    while left and chunks:
        chunk = chunks.popleft()
        if len(chunk) > left:
            view = memoryview(chunk)
            chunks.appendleft(view[left:])
            chunk = view[:left]
        pieces.append(chunk)
        left -= len(chunk)
    return b"".join(pieces)
