"""PROXY headers as they come: whole, octet by octet, in two parts, glued to what follows; and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.proxy_header import ProxyHeader, ProxyHeaderError
from gemd.protocol.proxy_reader import ProxyHeaderReader
from tests.protocol.proxy_vectors import BAD, GOOD, SIGNATURE

HELLO = bytes.fromhex("160301020001")
EVERY_GOOD = pytest.mark.parametrize(("raw", "header"), GOOD.values(), ids=GOOD.keys())
EVERY_BAD = pytest.mark.parametrize(("raw", "why"), BAD.values(), ids=BAD.keys())


def feed_each(pieces):
    """The reader, and what it said to each piece."""
    reader = ProxyHeaderReader()
    return reader, [reader.feed(piece) for piece in pieces]


def octets(raw):
    return [raw[i : i + 1] for i in range(len(raw))]


@EVERY_GOOD
def test_whole(raw, header):
    reader, said = feed_each([raw])
    assert said == [header]
    assert reader.rest == b""


@EVERY_GOOD
def test_octet_by_octet(raw, header):
    reader, said = feed_each(octets(raw))
    assert said == [None] * (len(raw) - 1) + [header]
    assert reader.rest == b""


@EVERY_GOOD
@pytest.mark.parametrize("behind", [HELLO, b"\r\n", b"PROXY UNKNOWN\r\n", bytes(70_000)])
def test_glued_to_what_follows(raw, header, behind):
    reader, said = feed_each([raw + behind])
    assert said == [header]
    assert reader.rest == behind


@EVERY_GOOD
def test_in_two_parts(raw, header):
    for i in range(1, len(raw)):
        reader, said = feed_each([raw[:i], b"", raw[i:] + HELLO])
        assert said == [None, None, header]
        assert reader.rest == HELLO


@EVERY_BAD
def test_refused_whole(raw, why):
    with pytest.raises(ProxyHeaderError, match=why):
        feed_each([raw])


@EVERY_BAD
def test_refused_octet_by_octet(raw, why):
    with pytest.raises(ProxyHeaderError, match=why):
        feed_each(octets(raw))


@EVERY_BAD
def test_refused_in_two_parts(raw, why):
    for i in range(1, len(raw)):
        with pytest.raises(ProxyHeaderError, match=why):
            feed_each([raw[:i], raw[i:]])


def most_accepted(raw):
    """How many of its octets are taken before one is refused."""
    reader = ProxyHeaderReader()
    for i, octet in enumerate(octets(raw)):
        try:
            reader.feed(octet)
        except ProxyHeaderError:
            return i
    return len(raw)


@pytest.mark.parametrize(
    ("raw", "most"),
    [
        (b"\x16\x03", 0),
        (b"g", 0),
        (b"PROXY TCP5", 9),
        (b"PROXY  TCP4", 6),
        (b"PROXY TCP4 192.0.2.7\n", 20),
        (b"\r\n\r\n\r\n", 4),
        (bytes.fromhex(SIGNATURE + "2111ffff"), 15),
        (bytes.fromhex(SIGNATURE + "1111000c"), 15),
        (b"PROXY UNKNOWN " + bytes(200), 106),
    ],
)
def test_refused_at_the_first_octet_that_can_not_be(raw, most):
    assert most_accepted(raw) == most


def test_a_text_of_ours_never_repeats_the_clients():
    for raw, _ in BAD.values():
        with pytest.raises(ProxyHeaderError) as caught:
            feed_each([raw])
        said = str(caught.value)
        assert said.isascii()
        assert said.isprintable()
        assert not any(word in said for word in ("192.0.2", "40312", "99999", "eth0", "gemini:", "abc"))


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(lambda tail: bytes.fromhex(SIGNATURE) + tail, st.binary(max_size=300)),
        st.builds(
            lambda command, family, tail: (
                bytes.fromhex(SIGNATURE) + bytes((0x20 | command, family)) + len(tail).to_bytes(2, "big") + tail
            ),
            st.integers(0, 2),
            st.sampled_from((0x00, 0x11, 0x21, 0x31, 0x12, 0x41)),
            st.binary(max_size=400),
        ),
        st.builds(lambda start, tail: start + tail, st.sampled_from((b"PROXY TCP4 ", b"PROXY TCP6 ")), st.binary()),
        st.from_regex(rb"PROXY TCP[46] [0-9a-f:.]{1,30} [0-9a-f:.]{1,30} [0-9]{1,6} [0-9]{1,6}\r\n"),
    ),
    st.integers(1, 300),
)
def test_any_octets_give_a_header_a_wait_or_an_error(raw, step):
    def outcome(pieces):
        reader = ProxyHeaderReader()
        fed = 0
        for piece in pieces:
            fed += len(piece)
            try:
                header = reader.feed(piece)
            except ProxyHeaderError as error:
                return str(error)
            if header is not None:
                assert isinstance(header, ProxyHeader)
                return header, reader.rest + raw[fed:]
        return None

    whole = outcome([raw])
    in_pieces = outcome([raw[i : i + step] for i in range(0, len(raw), step)] or [b""])
    # Which fault is told may depend on where the pieces end; that there is one does not.
    assert type(whole) is type(in_pieces)
    if not isinstance(whole, str):
        assert whole == in_pieces
