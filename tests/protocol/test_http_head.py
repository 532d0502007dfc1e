"""Where headers of HTTP end, whole, byte by byte, and with more behind them."""

import pytest

from gemd.protocol.http_head import MAX_HEAD, HeadError, HeadReader

FIRST = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
SECOND = b"HTTP/1.1 200 OK\nX: y\n\n"


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_headers_come_one_after_the_other(size):
    octets, heads, reader = FIRST + SECOND, [], HeadReader()
    for at in range(0, len(octets), size):
        reader.feed(octets[at : at + size])
        while (head := reader.take()) is not None:
            heads.append(head)
    assert heads == [FIRST, SECOND]
    reader.feed(b"body")
    assert reader.rest == b"body"


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_an_empty_line_is_one_of_its_own(end):
    reader = HeadReader()
    reader.feed(end + SECOND)
    assert (reader.take(), reader.take()) == (end, SECOND)


@pytest.mark.parametrize("has_end", [False, True])
def test_all_of_them_are_bounded(has_end):
    end = b"\r\n\r\n" if has_end else b"yyyy"
    for more, is_too_long in ((0, False), (1, True)):
        reader = HeadReader()
        reader.feed(FIRST + b"H" * (MAX_HEAD - len(FIRST) - 4 + more) + end + b"body" * has_end)
        assert reader.take() == FIRST
        if is_too_long:
            with pytest.raises(HeadError, match="more than 16384 bytes"):
                reader.take()
        else:
            assert (reader.take() is not None) == has_end


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nX:" + b" \t" * 50 + b"\0\r\n\r\n", "a hundred blanks"),
        (b"HTTP/1.1 200 OK\r\nX:\r\n\ty\r\n\r\n", "goes on in another line"),
        (b"\x15\x03\x03", r"does not speak HTTP as it should: b'\\x15\\x03\\x03'"),
    ],
)
def test_what_a_parser_shall_not_have(octets, reason):
    reader = HeadReader()
    reader.feed(octets)
    with pytest.raises(HeadError, match=reason):
        reader.take()
