import os

from gemd.worker.pieces import Pieces
from tests.support.pump import Pump

BODY = os.urandom(150_000)


def test_it_is_the_body_piece_by_piece():
    body = Pieces(BODY)
    with Pump() as pump:
        body.begin(pump)
        pieces = list(pump.pieces(body))
    assert b"".join(pieces) == BODY
    assert [len(piece) for piece in pieces] == [65536, 65536, 150_000 - 2 * 65536]
    assert pump.asked == 0
    assert body.read() == b""


def test_nothing_is_left_after_the_end():
    body = Pieces(BODY)
    assert body.body is BODY
    body.close()
    assert body.read() == body.body == b""
