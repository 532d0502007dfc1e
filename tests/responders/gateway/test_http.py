"""Answers of HTTP servers, whole, byte by byte, with trailing junk, and cut off anywhere."""

import gzip
import re
import zlib

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd import __version__
from gemd.protocol.response import MAX_META
from gemd.responders.gateway.codec import CodecError
from gemd.responders.gateway.http import HTTPCodec

PAGE = b"# A page\n" * 40
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/gemini\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
HEADER = b"20 text/gemini\r\n"
FIELDS = [("X-Forwarded-For", "192.0.2.7")]


def make_codec(translate=lambda reference: f"/app{reference}", target="/x?y", fields=FIELDS):
    return HTTPCodec(target, "h:8000", fields, translate)


def answer(start, *lines):
    return b"\r\n".join((b"HTTP/1.1 " + start, *lines, b"", b""))


def with_length(body, fields=b""):
    return OK + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_chunks(body, size=7, trailer=b"", extension=b"", fields=b""):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return OK + fields + CHUNKED + b"\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n"


def packed(body):
    return with_length(body, b"Content-Encoding: gzip\r\n")


def read(codec, pieces):
    """What comes out by what comes in."""
    output = b""
    for piece in pieces:
        if codec.is_complete:
            break
        output += codec.feed(piece)
        while codec.has_more:
            output += codec.feed(b"")
    return output


def every_way(octets):
    """The same, whole, byte by byte, and with more behind it."""
    return [octets], [octets[at : at + 1] for at in range(len(octets))], [octets + b"HTTP/1.1 200 OK\r\n\r\n"]


# What is asked


def test_the_request():
    codec = make_codec()
    request = codec.take()
    assert codec.take() == b""
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /x?y HTTP/1.1"
    assert lines[-2:] == ["", ""]
    assert lines[1:-2] == [
        "Host: h:8000",
        f"User-Agent: gemd/{__version__}",
        "Accept: text/gemini, */*;q=0.5",
        "Accept-Encoding: identity",
        "Connection: close",
        "X-Forwarded-For: 192.0.2.7",
    ]


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ä", ""])
def test_no_other_octets_are_a_target(target):
    with pytest.raises((h11.LocalProtocolError, UnicodeEncodeError)):
        make_codec(target=target)


# What is answered

WHOLE = {
    "a length": (with_length(PAGE), HEADER + PAGE),
    "no length": (with_length(b""), HEADER),
    "chunks": (in_chunks(PAGE), HEADER + PAGE),
    "chunks with more to them": (in_chunks(PAGE, 5, b"X: y\r\n", b";a=b"), HEADER + PAGE),
    "no chunk": (in_chunks(b""), HEADER),
    "no type": (answer(b"200 OK", b"Content-Length: 2") + b"hi", b"20 application/octet-stream\r\nhi"),
    "no content": (answer(b"204 No Content"), b"20 application/octet-stream\r\n"),
    "LF alone": (with_length(b"hi").replace(b"\r\n", b"\n"), HEADER + b"hi"),
    "gzip": (packed(gzip.compress(PAGE)), HEADER + PAGE),
    "gzip in chunks": (in_chunks(gzip.compress(PAGE), fields=b"Content-Encoding: gzip\r\n"), HEADER + PAGE),
    "deflate": (with_length(zlib.compress(PAGE), b"Content-Encoding: deflate\r\n"), HEADER + PAGE),
    "identity": (with_length(PAGE, b"Content-Encoding: identity\r\n"), HEADER + PAGE),
    "interim": (answer(b"100 Continue") + answer(b"103 Early Hints", b"Link: x") + with_length(b"hi"), HEADER + b"hi"),
    "twice the same length": (with_length(b"hi", b"Content-Length: 2\r\n"), HEADER + b"hi"),
    "twice the same type": (with_length(b"hi", b"Content-Type: text/gemini\r\n"), HEADER + b"hi"),
    "a redirect": (answer(b"302 Found", b"Location: /b c"), b"30 /app/b%20c\r\n"),
    "one for good": (answer(b"308 Permanent Redirect", b"Location: /b"), b"31 /app/b\r\n"),
    "too often": (answer(b"429 Too Many Requests", b"Retry-After: 17"), b"44 17\r\n"),
    "too often, no time": (answer(b"429 Too Many Requests"), b"44 60\r\n"),
    "not found": (answer(b"404 Nope", b"Content-Length: 5000000"), b"51 Not Found\r\n"),
    "gone": (answer(b"410 Gone", CHUNKED), b"52 Gone\r\n"),
    "refused": (answer(b"403 <Evil>"), b"50 Forbidden\r\n"),
    "no reason": (answer(b"404"), b"51 Not Found\r\n"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_an_answer(what):
    octets, expected = WHOLE[what]
    for pieces in every_way(octets):
        codec = make_codec()
        assert read(codec, pieces) == expected
        assert (codec.is_complete, codec.has_more) == (True, False)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("body", [b"", PAGE])
def test_one_that_ends_with_the_connection(version, body):
    for pieces in every_way(OK.replace(b"1.1", version) + b"\r\n" + body)[:2]:
        codec = make_codec()
        output = read(codec, pieces)
        assert not codec.is_complete
        codec.end()
        assert codec.is_complete
        assert output == HEADER + body


# What is no answer

FAULTS = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "illegal status line"),
    "TLS": (b"\x15\x03\x03\x00\x02\x02\x32", "does not speak HTTP"),
    "Gemini": (b"20 text/gemini\r\n\r\n", "illegal status line"),
    "a bad status": (answer(b"2000 OK"), "illegal status line"),
    "no such version": (answer(b"200 OK").replace(b"1.1", b"2.0"), "does not speak HTTP/1.1"),
    "a blank in a name": (answer(b"200 OK", b"Content-Type : text/gemini"), "illegal header line"),
    "NUL": (answer(b"200 OK", b"Content-Type: text/\0gemini"), "illegal header line"),
    "blanks without end": (answer(b"200 OK", b"X:" + b" " * 9000 + b"\0"), "hundred blanks in a row"),
    "a fold": (answer(b"200 OK", b"X: y", b" z"), "a field that goes on in another line"),
    "fields without end": (in_chunks(b"hi", trailer=b"x" * 20000), "16384 bytes of fields behind its body"),
    "a server error": (answer(b"500 Oops"), "answered with 500"),
    "not there": (answer(b"503 Oops", b"Retry-After: 5"), "answered with 503"),
    "a part": (answer(b"206 Partial Content", b"Content-Length: 0"), "answered with 206"),
    "not modified": (answer(b"304 Not Modified"), "answered with 304"),
    "a choice": (answer(b"300 Multiple Choices", b"Location: /"), "answered with 300"),
    "another protocol instead": (answer(b"101 Switching Protocols", b"Upgrade: x"), "does not speak HTTP"),
    "two lengths": (answer(b"200 OK", b"Content-Length: 2", b"Content-Length: 3") + b"hi!", "conflicting"),
    "two lengths in one": (answer(b"200 OK", b"Content-Length: 2, 3") + b"hi!", "conflicting"),
    "a length with a sign": (answer(b"200 OK", b"Content-Length: +2") + b"hi", "bad Content-Length"),
    "a length and chunks": (answer(b"200 OK", b"Content-Length: 2", CHUNKED) + b"0\r\n\r\n", "in two ways"),
    "chunks in 1.0": (in_chunks(b"hi").replace(b"1.1", b"1.0"), "in two ways"),
    "chunks twice": (answer(b"200 OK", CHUNKED + b", chunked"), "Only Transfer-Encoding"),
    "something like chunks": (answer(b"200 OK", b"Transfer-Encoding: xchunked"), "Only Transfer-Encoding"),
    "no size of a chunk": (OK + CHUNKED + b"\r\n\r\n-1\r\nhi\r\n", "sent a chunk that has no size"),
    "too large a chunk": (OK + CHUNKED + b"\r\n\r\n" + b"f" * 21 + b"\r\n", "sent a chunk that has no size"),
    "a chunk too long": (OK + CHUNKED + b"\r\n\r\n2\r\nhi!\r\n0\r\n\r\n", "sent a chunk that is longer than it says"),
    "brotli": (with_length(b"hi", b"Content-Encoding: br\r\n"), "Content-Encoding that is neither"),
    "twice compressed": (with_length(b"hi", b"Content-Encoding: gzip\r\n" * 2), "Content-Encoding that is neither"),
    "no gzip": (packed(b"hi there"), "can't be unpacked"),
    "half a gzip": (packed(gzip.compress(PAGE)[:-1]), "ends in the middle"),
    "more than a gzip": (packed(gzip.compress(PAGE) + b"x"), "goes on behind"),
    "two types": (with_length(b"hi", b"Content-Type: text/plain\r\n"), "Content-Type that is there twice"),
    "no type of media": (answer(b"200 OK", b"Content-Type: gemtext"), "Content-Type that is no media type"),
    "a long type": (answer(b"200 OK", b"Content-Type: a/b;" + b"c" * MAX_META), "Content-Type that is no media type"),
    "a control character": (answer(b"200 OK", b"Content-Type: a/b;\x1b[31m"), "Content-Type that is no media type"),
    "nowhere to go": (answer(b"302 Found"), "302 and a Location that is empty"),
    "two ways to go": (answer(b"302 Found", b"Location: /a", b"Location: /b"), "Location that is there twice"),
    "a long way to go": (answer(b"302 Found", b"Location: /" + b"a" * MAX_META), "Location that is longer than 1024"),
    "a way with an escape": (answer(b"302 Found", b"Location: /\x1b[31m"), "Location that is empty or has a control"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault(what):
    octets, reason = FAULTS[what]
    for pieces in every_way(octets):
        with pytest.raises(CodecError, match=reason) as raised:
            read(make_codec(), pieces)
        assert len(str(raised.value)) < 250


def test_a_redirect_that_can_t_be_translated():
    def translate(_):
        raise ValueError("is no URL")

    with pytest.raises(CodecError, match="answered with 302 and a Location that is no URL"):
        make_codec(translate).feed(answer(b"302 Found", b"Location: http://[::1/"))


@pytest.mark.parametrize("what", ["a length", "chunks", "chunks with more to them", "gzip", "interim", "a redirect"])
def test_one_that_ends_too_early(what):
    octets, expected = WHOLE[what]
    for end in range(len(octets)):
        codec = make_codec()
        output = read(codec, [octets[:end]])
        assert expected.startswith(output)
        assert not codec.is_complete
        with pytest.raises(CodecError, match=r"closed before its (header|answer) ended"):
            codec.end()


def test_what_came_instead_of_a_header_is_shown():
    codec = make_codec()
    codec.feed(b"20 text/gemini\r\n# Hello\r\n")
    with pytest.raises(CodecError) as raised:
        codec.end()
    assert str(raised.value) == r"closed before its header ended: b'20 text/gemini\r'"


# Bounds


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_header_is_bounded_however_it_comes(size):
    for fields, is_too_long in ((b"X: " + b"y" * (16 * 1024 - 50), False), (b"X: " + b"y" * 16 * 1024, True)):
        octets = answer(b"200 OK", fields, b"Content-Length: 0")
        pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
        if is_too_long:
            with pytest.raises(CodecError, match=r"more than 16384 bytes|too long"):
                read(make_codec(), pieces)
        else:
            assert read(make_codec(), pieces) == b"20 application/octet-stream\r\n"


def test_interim_answers_are_bounded():
    for count, is_too_many in ((16, False), (17, True)):
        for pieces in every_way(answer(b"102 Processing") * count + with_length(b"hi")):
            if is_too_many:
                with pytest.raises(CodecError, match="more than 16 interim answers"):
                    read(make_codec(), pieces)
            else:
                assert read(make_codec(), pieces) == HEADER + b"hi"


def test_interim_answers_count_for_the_header():
    octets = answer(b"103 Early Hints", b"Link: " + b"x" * 6000) * 3
    with pytest.raises(CodecError, match="more than 16384 bytes"):
        read(make_codec(), [octets])


def test_many_small_chunks_come_a_few_at_a_time():
    codec, body = make_codec(), b"a" * 5000
    output, times = codec.feed(in_chunks(body, 1)), 1
    while codec.has_more:
        new = codec.feed(b"")
        assert len(new) <= 256
        output, times = output + new, times + 1
    assert output == HEADER + body
    assert codec.is_complete
    assert times > 5000 // 256


def test_a_bomb_comes_a_little_at_a_time():
    size = 20 << 20
    bomb = gzip.compress(bytes(size))
    codec, unpacked, largest = make_codec(), 0, 0
    assert read(codec, [OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)]) == HEADER
    output = codec.feed(bomb)
    while output:
        largest, unpacked = max(largest, len(output)), unpacked + len(output)
        output = codec.feed(b"") if codec.has_more else b""
    assert (unpacked, codec.is_complete) == (size, True)
    assert largest <= 256 * 1024


# Whatever comes

ANY_HEADER = re.compile(rb"(20 [!-~ ]+|3[01] [!-~]+|44 [0-9]+|5[012] [ -~]+)\r\n")


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_octets_are_an_answer_or_an_error(octets, cut):
    for start in (b"", OK + b"\r\n", OK + CHUNKED + b"\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: "):
        codec = make_codec()
        try:
            output = read(codec, [start + octets[:cut], octets[cut:]])
            if not codec.is_complete:
                codec.end()
        except CodecError:
            continue
        assert ANY_HEADER.match(output)


@given(st.binary(max_size=3000), st.lists(st.integers(1, 700), max_size=9), st.integers(1, 900), st.booleans())
def test_a_body_is_the_same_in_any_pieces(body, sizes, chunk, is_packed):
    fields = b"Content-Encoding: gzip\r\n" if is_packed else b""
    octets = in_chunks(gzip.compress(body) if is_packed else body, chunk, fields=fields)
    pieces, at = [], 0
    for size in (*sizes, len(octets)):
        pieces.append(octets[at : at + size])
        at += size
    codec = make_codec()
    assert read(codec, filter(None, pieces)) == HEADER + body
    assert codec.is_complete


def test_it_complains_of_nothing():
    assert make_codec().complaints() == b""
