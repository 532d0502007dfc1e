"""Where bodies of HTTP end, in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.http_body import ChunkedBody, FramingError, OpenBody, SizedBody, find_body

CHUNKED = (b"transfer-encoding", b"chunked")


def read(body, octets, size=1 << 20):
    """What comes out, and after each piece all that was held back."""
    output = b""
    for at in range(0, len(octets), size):
        output += body.feed(octets[at : at + size])
        while body.has_more:
            output += body.feed(b"")
    return output


@pytest.mark.parametrize(
    ("status", "fields", "kind"),
    [
        (200, [], OpenBody),
        (200, [(b"content-length", b"2")], SizedBody),
        (200, [(b"content-type", b"a/b"), CHUNKED], ChunkedBody),
        (204, [CHUNKED], SizedBody),
        (304, [(b"content-length", b"2")], SizedBody),
    ],
)
def test_what_the_fields_say(status, fields, kind):
    body = find_body(status, fields)
    assert type(body) is kind
    assert body.is_complete == (status in (204, 304))


def test_a_length():
    body = SizedBody(4)
    assert (body.feed(b"abc"), body.is_complete) == (b"abc", False)
    with pytest.raises(FramingError, match="closed before its answer ended"):
        body.end()
    assert (body.feed(b"def"), body.is_complete) == (b"d", True)
    body.end()


def test_the_end_of_the_connection():
    body = OpenBody()
    assert (body.feed(b"abc"), body.is_complete) == (b"abc", False)
    body.end()
    assert body.is_complete


WHOLE = [
    b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    b"005;x=y;z\r\nabcde\r\n0\r\n\r\n",
    b"5 \t\r\nabcde\r\n000 ;x\r\nX: y\r\nZ\r\n\r\n",
]


@pytest.mark.parametrize("octets", WHOLE)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_chunks(octets, size):
    body = ChunkedBody()
    assert read(body, octets + b"junk" if size == 100 else octets, size) == b"abcde"
    assert (body.is_complete, body.has_more) == (True, False)
    for end in range(len(octets)):
        body = ChunkedBody()
        assert b"abcde".startswith(read(body, octets[:end]))
        with pytest.raises(FramingError, match="closed before its answer ended"):
            body.end()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"-1\r\nx", "no size: b'-1"),
        (b"+1\r\nx", "no size"),
        (b" 1\r\nx", "no size"),
        (b"1_0\r\nx", "no size"),
        (b"0x1\r\nx", "no size"),
        (b"\r\n", "no size"),
        (b"1\nx", "no size"),
        (b"1;\rx\r\n", "no size"),
        (b"f" * 16 + b"\r\n", "no size"),
        (b"1;" + b"x" * 4096, "no size"),
        (b"1" + b" " * 4096, "no size"),
        (b"1\r\nxy\r\n", "longer than it says: b'y"),
        (b"1\r\nx\n\n", "longer than it says"),
        (b"0\r\n" + b"x" * 16385, "16384 bytes of fields"),
        (b"0\r\n" + b"x: y\r\n" * 3000 + b"\r\n", "16384 bytes of fields"),
    ],
)
def test_what_is_no_chunk(octets, reason):
    for size in (1, len(octets)):
        with pytest.raises(FramingError, match=reason) as raised:
            read(ChunkedBody(), octets, size)
        assert len(str(raised.value)) < 250


def test_a_field_behind_all_chunks_is_not_looked_into():
    """A parser went over the blanks in it again and again."""
    body = ChunkedBody()
    assert read(body, b"1\r\nx\r\n0\r\nX:" + b" " * 16000 + b"\0\r\n\r\n") == b"x"
    assert body.is_complete


def test_small_chunks_come_a_few_at_a_time():
    body, times = ChunkedBody(), 1
    output = body.feed(b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
    while body.has_more:
        new = body.feed(b"")
        assert len(new) <= 256
        output, times = output + new, times + 1
    assert (output, body.is_complete) == (b"x" * 5000, True)
    assert times > 5000 // 256


@given(st.binary(max_size=2000), st.integers(1, 300), st.integers(1, 300))
def test_a_body_is_the_same_in_any_pieces(content, chunk, size):
    pieces = [content[at : at + chunk] for at in range(0, len(content), chunk)]
    octets = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    body = ChunkedBody()
    assert read(body, octets, size) == content
    assert body.is_complete


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"0", b"1", b"a", b";", b" ", b"x" * 10]), max_size=30))
def test_any_octets_are_a_body_or_an_error(parts):
    whole, cut = ChunkedBody(), ChunkedBody()
    results = []
    for body, size in ((whole, 1 << 20), (cut, 1)):
        try:
            results.append((read(body, b"".join(parts), size), body.is_complete))
        except FramingError:
            results.append(None)
    assert results[0] == results[1]
