"""Compressed bodies, whole, byte by byte, and cut off anywhere."""

import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.content_coding import CodingError, Unpacker, parse_codings

MOST = 1000
TEXT = b"# A page\n" + random.Random(15).randbytes(3000) + b"\n" * 5000


def deflate_raw(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {"gzip": gzip.compress(TEXT), "deflate": zlib.compress(TEXT), "raw": deflate_raw(TEXT)}
EVERY_KIND = pytest.mark.parametrize("kind", PACKED)


def coding_of(kind):
    return "deflate" if kind == "raw" else kind


def unpack(unpacker, pieces, most=MOST):
    output = b""
    for piece in pieces:
        output += unpacker.feed(piece, most)
        while unpacker.has_more:
            new = unpacker.feed(b"", most)
            assert len(new) <= most
            output += new
    return output


@EVERY_KIND
@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_a_body_in_pieces(kind, size):
    packed, unpacker = PACKED[kind], Unpacker(coding_of(kind))
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert unpack(unpacker, pieces) == TEXT
    unpacker.finish()


@EVERY_KIND
@pytest.mark.parametrize("most", [1, 2, len(TEXT) - 1, len(TEXT), len(TEXT) + 1])
def test_what_comes_at_a_time_is_bounded(kind, most):
    unpacker = Unpacker(coding_of(kind))
    assert len(unpacker.feed(PACKED[kind], most)) <= most
    assert unpacker.has_more == (most < len(TEXT))


@EVERY_KIND
def test_an_empty_body(kind):
    packed = {"gzip": gzip.compress(b""), "deflate": zlib.compress(b""), "raw": deflate_raw(b"")}[kind]
    unpacker = Unpacker(coding_of(kind))
    assert unpack(unpacker, [packed]) == b""
    unpacker.finish()


@EVERY_KIND
def test_one_that_is_cut_off_is_not_whole(kind):
    for end in range(0, len(PACKED[kind]), 97):
        unpacker = Unpacker(coding_of(kind))
        assert TEXT.startswith(unpack(unpacker, [PACKED[kind][:end]]))
        with pytest.raises(CodingError, match="ends in the middle"):
            unpacker.finish()


@EVERY_KIND
@pytest.mark.parametrize("glued", [True, False])
@pytest.mark.parametrize("more", [b"x", gzip.compress(b"another")])
def test_nothing_follows(kind, glued, more):
    pieces = [PACKED[kind] + more] if glued else [PACKED[kind], more]
    with pytest.raises(CodingError, match="goes on behind"):
        unpack(Unpacker(coding_of(kind)), pieces)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_not_compressed(coding):
    with pytest.raises(CodingError, match="can't be unpacked"):
        unpack(Unpacker(coding), [b"\xff\xffplain text"])


def test_a_wrong_checksum():
    packed = bytearray(PACKED["gzip"])
    packed[-5] ^= 1
    with pytest.raises(CodingError, match="can't be unpacked"):
        unpack(Unpacker("gzip"), [bytes(packed)])


def test_a_bomb_takes_no_memory():
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 64 << 10
    unpacker = Unpacker("gzip")
    size = len(unpacker.feed(bomb, MOST))
    tracemalloc.start()
    try:
        for _ in range(1000):
            size += len(unpacker.feed(b"", MOST))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (size, unpacker.has_more) == (1001 * MOST, True)
    assert peak < 1 << 20


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.integers(1, 50))
def test_any_octets_are_a_body_or_an_error(octets, coding, most):
    unpacker = Unpacker(coding)
    try:
        unpack(unpacker, [octets[:10], octets[10:]], most)
        unpacker.finish()
    except CodingError:
        pass


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "x-gzip"),
        (" identity, deflate,", "deflate"),
    ],
)
def test_the_coding_of_a_body(value, coding):
    assert parse_codings(value) == coding


@pytest.mark.parametrize("value", ["br", "zstd", "gzip, gzip", "gzip, deflate", "chunked", "gz ip"])
def test_codings_that_are_not_known(value):
    with pytest.raises(CodingError, match="neither gzip nor deflate"):
        parse_codings(value)
