import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.errors import BadRequest, GeminiError, NotFound, SlowDown
from gemd.protocol.response import MAX_META, Response, encode_header, error_response, is_meta
from gemd.protocol.status import Status

HEADERS = {
    "success": (20, "text/gemini; lang=en", b"20 text/gemini; lang=en\r\n"),
    "no text, no blank": (51, "", b"51\r\n"),
    "prompt": (10, "Wer da?", b"10 Wer da?\r\n"),
    "UTF-8": (40, "müde", "40 müde\r\n".encode()),
    "longest": (50, "x" * MAX_META, b"50 " + b"x" * MAX_META + b"\r\n"),
    "Status": (Status.GONE, "", b"52\r\n"),
    "redirect to the same page": (30, "", b"30 \r\n"),  # an empty reference (RFC 3986, 4.1)
}

REFUSED = {
    "undefined status": (21, "text/plain"),
    "one digit": (2, "text/plain"),
    "three digits": (200, "OK"),
    "success without a type": (20, ""),
    "prompt without a text": (10, ""),
    "too long": (50, "x" * (MAX_META + 1)),
    "too long in bytes": (50, "ä" * (MAX_META // 2 + 1)),
    "CR": (30, "/a\r"),
    "LF": (30, "/a\n20 text/gemini"),
    "TAB": (50, "a\tb"),
    "NUL": (50, "\0"),
    "NEL": (50, "a\x85b"),
    "line separator": (50, "a\u2028b"),
    "lone surrogate": (50, "\udcff"),
}


@pytest.mark.parametrize(("status", "meta", "header"), HEADERS.values(), ids=HEADERS)
def test_encodes(status, meta, header):
    assert encode_header(status, meta) == header


@pytest.mark.parametrize(("status", "meta"), REFUSED.values(), ids=REFUSED)
def test_refuses(status, meta):
    with pytest.raises(ValueError):
        encode_header(status, meta)


@given(st.integers(0, 99), st.text(max_size=30))
def test_a_header_is_one_line_or_an_error(status, meta):
    try:
        header = encode_header(status, meta)
    except ValueError:
        return
    assert header.endswith(b"\r\n")
    assert len(header.decode().splitlines()) == 1
    assert int(header[:2]) == status


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (NotFound("Not found"), b"51 Not found\r\n"),
        (BadRequest(), b"59\r\n"),
        (SlowDown("3 seconds"), b"44 3 seconds\r\n"),
        (GeminiError(), b"40\r\n"),
        (GeminiError("Gone", Status.GONE), b"52 Gone\r\n"),
    ],
)
def test_an_error_is_an_answer(error, header):
    response = error_response(error)
    assert encode_header(response.status, response.meta) == header
    assert response == Response(response.status, response.meta, b"")


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), ("Back at noon", True), (" a", False), ("a\r\n20 b", False)]
)
def test_what_the_text_of_a_header_may_be(text, expected):
    assert is_meta(text) is expected


def test_such_a_text_has_a_limit_in_bytes():
    assert is_meta("é" * 512)
    assert not is_meta("é" * 513)
