import os

import pytest

from gemd.responders.app.output import PIECE_SIZE, Output

CONTENT = os.urandom(3 * PIECE_SIZE + 5)


def take_all(output):
    pieces = []
    while output:
        pieces.append(output.take())
    return pieces


@pytest.mark.parametrize("size", [1000, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, len(CONTENT)])
def test_it_is_taken_in_order_and_in_full_pieces(size):
    output = Output()
    for start in range(0, len(CONTENT), size):
        output.append(CONTENT[start : start + size])
    assert len(output) == len(CONTENT)
    pieces = take_all(output)
    assert b"".join(pieces) == CONTENT
    assert [len(piece) for piece in pieces] == [PIECE_SIZE] * 3 + [5]


def test_more_may_be_said_between_two_pieces():
    output = Output()
    output.append(CONTENT[:PIECE_SIZE] + b"a")
    assert output.take() == CONTENT[:PIECE_SIZE]
    output.append(b"b")
    assert len(output) == 2
    assert output.take() == b"ab"
    assert output.take() == b""


def test_what_was_cleared_is_gone():
    output = Output()
    output.append(b"something")
    output.clear()
    assert (len(output), output.take()) == (0, b"")
