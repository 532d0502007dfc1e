"""Headers of HTTP, as programs write them, and what they are in Gemini."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.http_header import (
    MAX_HTTP_HEADER,
    HTTPAnswer,
    HTTPHeaderError,
    find_http_end,
    read_http_header,
    translate_answer,
)
from gemd.protocol.response import encode_header
from gemd.protocol.status import Status

PLAIN = b"Content-Type: text/plain\r\n\r\n"

ENDS = {
    "CRLF": (b"A: b\r\n\r\nbody", 8),
    "LF": (b"A: b\n\nbody", 6),
    "mixed": (b"A: b\n\r\nbody", 7),
    "empty lines in the body": (b"A: b\r\n\r\n\r\n\r\n", 8),
    "no field": (b"\r\nbody", 2),
    "no field, LF": (b"\nbody", 1),
}


@pytest.mark.parametrize(("data", "end"), ENDS.values(), ids=ENDS)
def test_a_header_ends_with_its_first_empty_line(data, end):
    assert find_http_end(data) == end
    for size in range(end):
        assert find_http_end(data[:size]) is None


def test_a_header_may_be_so_long_and_no_longer():
    for size in (MAX_HTTP_HEADER, MAX_HTTP_HEADER + 1):
        data = b"X: " + b"x" * (size - 7) + b"\r\n\r\n"
        assert len(data) == size
        if size == MAX_HTTP_HEADER:
            assert find_http_end(data + b"body") == size
            continue
        with pytest.raises(HTTPHeaderError, match="more than 8192 bytes"):
            find_http_end(data + b"body")
    with pytest.raises(HTTPHeaderError, match="more than 8192 bytes"):
        find_http_end(b"X" * MAX_HTTP_HEADER)
    assert find_http_end(b"X" * (MAX_HTTP_HEADER - 1)) is None


FIELDS = {
    "a type": (PLAIN, (200, {"content-type": "text/plain"})),
    "LF": (b"Content-Type: text/plain\n\n", (200, {"content-type": "text/plain"})),
    "php-fpm's own": (
        b"Status: 404 Not Found\r\nX-Powered-By: PHP/8.2\r\nContent-type: text/html; charset=UTF-8\r\n\r\n",
        (404, {"status": "404 Not Found", "x-powered-by": "PHP/8.2", "content-type": "text/html; charset=UTF-8"}),
    ),
    "any case": (b"STATUS:410\r\n\r\n", (410, {"status": "410"})),
    "blanks": (b"content-type: \t text/plain \t\r\n\r\n", (200, {"content-type": "text/plain"})),
    "a redirect": (b"Location: /a\r\n\r\n", (302, {"location": "/a"})),
    "a redirect with a status": (b"Location: /a\nStatus: 301\n\n", (301, {"location": "/a", "status": "301"})),
    "of cookies there may be many": (b"Set-Cookie: a\nSet-Cookie: b\n\n", (200, {"set-cookie": "b"})),
    "an empty field": (b"Location:\r\n\r\n", (200, {"location": ""})),
}


@pytest.mark.parametrize(("header", "answer"), FIELDS.values(), ids=FIELDS)
def test_reads_the_fields(header, answer):
    assert read_http_header(header) == answer


NO_FIELDS = {
    "nothing": (b"\r\n", "a line is no field"),
    "gemini": (b"20 text/gemini\r\n\r\n", "a line is no field"),
    "an answer by itself": (b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n", "a program says 'Status: 200'"),
    "a blank before the colon": (b"Status : 200\r\n\r\n", "a line is no field"),
    "folded": (b"A: b\r\n c\r\n\r\n", "a field goes on in another line"),
    "folded by a tab": (b"A: b\r\n\tc\r\n\r\n", "a field goes on in another line"),
    "two types": (b"Content-Type: a/b\nContent-type: a/b\n\n", "two fields Content-type"),
    "two statuses": (b"Status: 200\nStatus: 200\n\n", "two fields Status"),
    "two targets": (b"Location: a\nLocation: b\n\n", "two fields Location"),
    "no status": (b"Status: OK\n\n", "three digits"),
    "a long status": (b"Status: 2000\n\n", "three digits"),
    "Arabic digits": ("Status: ٢٠٠\n\n".encode(), "three digits"),
    "not UTF-8": (b"A: \xff\n\n", "not UTF-8 at byte 4"),
}


@pytest.mark.parametrize(("header", "reason"), NO_FIELDS.values(), ids=NO_FIELDS)
def test_refuses_what_is_no_header(header, reason):
    with pytest.raises(HTTPHeaderError, match=reason):
        read_http_header(header)


HTML = {"content-type": "text/html; charset=UTF-8"}
# By status of HTTP and fields: status and META, without a certificate and with one.
ANSWERS = [
    (200, HTML, (20, "text/html; charset=UTF-8"), None),
    (201, HTML, (20, "text/html; charset=UTF-8"), None),
    (204, {}, (20, "text/gemini"), None),
    (205, {"content-type": "a/b"}, (20, "a/b"), None),
    (301, {"location": "/a"}, (31, "/a"), None),
    (302, {"location": "gemini://b.example/?x"}, (30, "gemini://b.example/?x"), None),
    (303, {"location": "a b/\u00fc"}, (30, "a%20b/%C3%BC"), None),
    (307, {"location": "a"}, (30, "a"), None),
    (308, {"location": "a"}, (31, "a"), None),
    (400, HTML, (59, "Bad Request"), None),
    (401, HTML, (60, "A client certificate is needed"), (61, "This certificate is not authorised")),
    (403, HTML, (50, "Forbidden"), (61, "This certificate is not authorised")),
    (404, HTML, (51, "Not Found"), None),
    (405, {}, (50, "Method Not Allowed"), None),
    (410, {}, (52, "Gone"), None),
    (429, {}, (44, "60"), None),
    (429, {"retry-after": "7"}, (44, "7"), None),
    (429, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, (44, "60"), None),
    (429, {"retry-after": "٧"}, (44, "60"), None),
    (499, {}, (50, "Status 499 of HTTP"), None),
    (500, HTML, (42, "Internal Server Error"), None),
    (502, {}, (42, "Bad Gateway"), None),
    (503, {"retry-after": "7"}, (41, "Service Unavailable"), None),
    (599, {}, (42, "Status 599 of HTTP"), None),
]


@pytest.mark.parametrize(("status", "fields", "unknown", "known"), ANSWERS)
def test_an_answer_has_its_like_in_gemini(status, fields, unknown, known):
    answer = HTTPAnswer(status, fields)
    assert translate_answer(answer, failure=Status.CGI_ERROR, is_known=False) == unknown
    assert translate_answer(answer, failure=Status.CGI_ERROR, is_known=True) == (known or unknown)
    assert encode_header(*unknown)


def test_who_has_failed_is_told_by_who_asks():
    assert translate_answer(HTTPAnswer(500), failure=Status.PROXY_ERROR, is_known=False)[0] == 43
    assert translate_answer(HTTPAnswer(503), failure=Status.PROXY_ERROR, is_known=False)[0] == 41


NO_ANSWERS = [
    (200, {}, "no Content-Type"),
    (200, {"content-type": ""}, "no Content-Type"),
    (200, {"content-type": "html"}, "is no media type: 'html'"),
    (200, {"content-type": "text/html\x1b"}, "no media type"),
    (200, {"content-type": "a/" + "b" * 1023}, "no media type"),
    (301, {}, "Location is empty"),
    (302, {"location": "/\x1b"}, "Location .* control character"),
    (206, HTML, "206 means nothing"),
    (304, {}, "304 means nothing"),
    (300, {"location": "/a"}, "300 means nothing"),
    (100, {}, "100 means nothing"),
]


@pytest.mark.parametrize(("status", "fields", "reason"), NO_ANSWERS)
def test_refuses_what_has_no_like(status, fields, reason):
    with pytest.raises(HTTPHeaderError, match=reason):
        translate_answer(HTTPAnswer(status, fields), failure=Status.CGI_ERROR, is_known=False)


NAMES = st.sampled_from([b"Status", b"Location", b"Content-Type", b"Retry-After", b"X"])
LINES = st.tuples(NAMES, st.binary(max_size=12) | st.from_regex(rb"[1-5][0-9]{2}", fullmatch=True))


@given(st.lists(LINES.map(b": ".join), max_size=4).map(b"\n".join) | st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_an_error(data):
    try:
        status, meta = translate_answer(read_http_header(data), failure=42, is_known=False)
    except HTTPHeaderError:
        return
    assert status in vars(Status).values()
    assert "\n" not in meta
