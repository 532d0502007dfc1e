"""Bodies that are too long to be encrypted in one go."""

from gemd.worker.pieces import Pieces


def test_all_of_it_comes_in_pieces():
    body = bytes(range(256)) * 1000
    source = Pieces(body)
    pieces = list(iter(source.read, b""))
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) == 64 * 1024


def test_what_is_closed_has_nothing():
    source = Pieces(b"x" * 100)
    source.close()
    assert source.read() == b""
