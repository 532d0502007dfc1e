"""The first line of a script's answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.response import encode_header
from gemd.responders.cgi.header import MAX_HEADER, find_header, parse_header
from gemd.system.script_output import ScriptError

HEADERS = {
    "CRLF": (b"20 text/gemini\r\nbody", (20, "text/gemini", b"body")),
    "LF": (b"20 text/gemini\nbody\n", (20, "text/gemini", b"body\n")),
    "body with further lines": (b"20 text/plain\r\n\r\n20 x\r\n", (20, "text/plain", b"\r\n20 x\r\n")),
    "no body": (b"31 /a\r\n", (31, "/a", b"")),
    "no text": (b"51\r\n", (51, "", b"")),
    "blank and no text": (b"51 \r\n", (51, "", b"")),
    "UTF-8": ("10 Wér?\r\n".encode(), (10, "Wér?", b"")),
    "longest": (b"50 " + b"x" * 1024 + b"\r\n", (50, "x" * 1024, b"")),
}


@pytest.mark.parametrize(("output", "parsed"), HEADERS.values(), ids=HEADERS)
def test_reads_a_header(output, parsed):
    assert parse_header(output) == parsed


NO_HEADERS = {
    "nothing": b"",
    "no line end": b"20 text/gemini",
    "CR alone": b"20 text/gemini\rbody\n",
    "TAB": b"20\ttext/gemini\r\n",
    "no blank": b"20text/gemini\r\n",
    "leading blank": b" 20 text/gemini\r\n",
    "byte order mark": b"\xef\xbb\xbf20 text/gemini\r\n",
    "three digits": b"200 OK\r\n",
    "undefined": b"21 text/gemini\r\n",
    "no media type": b"20\r\n",
    "no prompt": b"10 \r\n",
    "not UTF-8": b"40 \xff\r\n",
    "control": b"40 a\x1bb\r\n",
    "too long": b"50 " + b"x" * 1025 + b"\r\n",
    "Arabic digits": "٢٠ text/gemini\r\n".encode(),
    "text": b"Content-Type: text/html\r\n\r\n<html>",
    "traceback": b'Traceback (most recent call last):\n  File "x"\n',
}


@pytest.mark.parametrize("output", NO_HEADERS.values(), ids=NO_HEADERS)
def test_refuses_what_is_no_header(output):
    with pytest.raises(ScriptError) as caught:
        parse_header(output)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda text: b"20 " + text + b"\r\nbody"))
def test_any_output_is_a_header_that_can_be_sent_or_an_error(output):
    try:
        status, meta, rest = parse_header(output)
    except ScriptError:
        return
    assert encode_header(status, meta)
    assert output.endswith(rest)


def test_the_longest_header_is_the_protocols():
    assert len(encode_header(50, "x" * 1024)) == MAX_HEADER


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (b"\xef\xbb\xbf20 text/gemini\r\n", "which begins with a byte order mark"),
        (b"Content-Type: text/html\r\n\r\n", "which is a header of HTTP: that is the dialect 'http'"),
        (b"HTTP/1.1 200 OK\r\n", "which is a header of HTTP"),
        (b"Status: 200\r\n", "which is a header of HTTP"),
        (b"20  text/gemini\r\n", "two blanks behind the status"),
        (b"31 /a page\r\n", "a URL has no blank"),
        (b"30 gemini://localhost/a b\n", "a URL has no blank: it would be %20"),
        (b"30 gemini:///a\r\n", "the URL needs a host name"),
        (b"30 10:30\r\n", "is no scheme"),
        (b"31 /a\x1b[31m\r\n", "a control character"),
    ],
)
def test_what_is_wrong_is_named(output, reason):
    with pytest.raises(ScriptError, match=reason):
        parse_header(output)


def test_a_redirect_is_encoded_where_it_has_one_reading():
    header = "30 /wiki/Über?a|b\r\nnever sent".encode()
    assert parse_header(header) == (30, "/wiki/%C3%9Cber?a%7Cb", b"never sent")


def test_a_header_is_looked_at_when_its_line_has_ended_or_never_will():
    assert find_header(b"20 text/gemini\r") is None
    assert find_header(b"20 text/gemini\r\nbody") == (20, "text/gemini", b"body")
    assert find_header(b"x" * MAX_HEADER) is None
    with pytest.raises(ScriptError):
        find_header(b"x" * (MAX_HEADER + 1))


def test_a_prompt_may_have_blanks():
    assert parse_header(b"10 What is your name?\r\n") == (10, "What is your name?", b"")
