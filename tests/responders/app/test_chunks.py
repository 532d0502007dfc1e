"""What an application has said, piece by piece."""

from collections import deque

import pytest

from gemd.responders.app.chunks import take_piece

PIECE = 64 * 1024


@pytest.mark.parametrize("sizes", [[], [1], [PIECE], [PIECE + 1], [PIECE - 1, 2, 3], [10 * PIECE], [1] * 100])
def test_nothing_is_lost_and_no_piece_is_too_long(sizes):
    said = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    chunks = deque(said)
    pieces = list(iter(lambda: take_piece(chunks), b""))
    assert b"".join(pieces) == b"".join(said)
    assert all(len(piece) == PIECE for piece in pieces[:-1])
    assert not chunks
