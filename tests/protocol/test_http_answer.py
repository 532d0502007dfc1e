"""Statuses and fields of HTTP, in Gemini."""

import pytest

from gemd.protocol.http_answer import (
    DEFAULT_WAIT,
    clean_reference,
    name_status,
    translate_status,
    translate_type,
    translate_wait,
)
from gemd.protocol.mime import UNKNOWN
from gemd.protocol.response import MAX_META, encode_header
from gemd.protocol.status import DEFINED, Status

STATUSES = {
    20: (200, 201, 203, 204, 205, 226, 299),
    30: (302, 303, 307),
    31: (301, 308),
    43: (206, 300, 304, 305, 306, 399, 500, 502, 503, 504, 599, 600, 999),
    44: (429,),
    50: (400, 401, 402, 403, 405, 406, 418, 451, 499),
    51: (404,),
    52: (410,),
}


@pytest.mark.parametrize(("status", "code"), [(status, code) for status, codes in STATUSES.items() for code in codes])
def test_a_status(status, code):
    assert translate_status(code, Status.PROXY_ERROR) == status


def test_a_status_without_a_counterpart_is_what_the_caller_says():
    assert translate_status(500, Status.CGI_ERROR) == 42
    assert {translate_status(code, Status.CGI_ERROR) for code in range(200, 1000)} <= DEFINED


@pytest.mark.parametrize(
    ("content_type", "meta"),
    [
        ("", UNKNOWN),
        ("text/gemini", "text/gemini"),
        ("text/gemini; charset=utf-8; lang=de", "text/gemini; charset=utf-8; lang=de"),
        ("image/svg+xml", "image/svg+xml"),
        ("text/html;\tcharset=iso-8859-1", "text/html; charset=iso-8859-1"),
        ('multipart/mixed; boundary="a b"', 'multipart/mixed; boundary="a b"'),
        ("text/x;" + "a" * (MAX_META - 7), "text/x;" + "a" * (MAX_META - 7)),
    ],
)
def test_a_type(content_type, meta):
    assert translate_type(content_type) == meta
    assert encode_header(20, meta)


@pytest.mark.parametrize(
    "content_type",
    [
        "text",
        "text/",
        "/gemini",
        "text/gemini charset=utf-8",
        "text/gemini, text/plain",
        "text/gemini;\x01",
        "text/gemini; a=\xe4",
        "text/gemini\n20 text/plain",
        "text/x;" + "a" * (MAX_META - 6),
    ],
)
def test_what_is_no_type(content_type):
    with pytest.raises(ValueError, match="no media type"):
        translate_type(content_type)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("5", "5"),
        ("0", "1"),
        ("007", "7"),
        ("999999999", "999999999"),
        *(
            (text, DEFAULT_WAIT)
            for text in ("", "-1", "+5", "1_0", "5, 6", "1000000000", "Wed, 21 Oct 2026 07:28:00 GMT", "\u0665")
        ),
    ],
)
def test_how_long_to_wait(retry_after, seconds):
    assert translate_wait(retry_after) == seconds


@pytest.mark.parametrize(("code", "name"), [(404, "Not Found"), (410, "Gone"), (499, "Status 499 of HTTP")])
def test_the_name_of_a_status(code, name):
    assert name_status(code) == name


@pytest.mark.parametrize(
    ("location", "reference"),
    [
        (b"/a?b=c#d", "/a?b=c#d"),
        (b"http://[::1]:8000/%2F", "http://[::1]:8000/%2F"),
        (b"/a b", "/a%20b"),
        ("/gärten".encode(), "/g%C3%A4rten"),
        (b"/\xff", "/%FF"),
        (b'/<">', "/%3C%22%3E"),
    ],
)
def test_where_to(location, reference):
    assert clean_reference(location) == reference


@pytest.mark.parametrize("location", [b"", b"/a\r\nb", b"/a\tb", b"/\x7f", b"/\0"])
def test_what_leads_nowhere(location):
    with pytest.raises(ValueError, match="is empty or has a control character"):
        clean_reference(location)
