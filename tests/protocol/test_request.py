"""The wire tables: each row is read whole, byte by byte and with junk after its end."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.errors import BadRequest, GeminiError
from gemd.protocol.peer import Peer
from gemd.protocol.request import MAX_LINE, MAX_URL, Request, RequestReader

PEER = Peer("192.0.2.1", 50000, "192.0.2.2", 1965, tls=None)
LONGEST = b"gemini://h/" + b"x" * (MAX_URL - 11)

READ = {
    "plain": (b"gemini://h/", ("h", None, "/", None)),
    "no path": (b"gemini://h", ("h", None, "/", None)),
    "port": (b"gemini://h:1965/a", ("h", 1965, "/a", None)),
    "query": (b"gemini://h/a?b=c&d", ("h", None, "/a", "b=c&d")),
    "empty query": (b"gemini://h/a?", ("h", None, "/a", "")),
    "query is kept raw": (b"gemini://h/?a%20%zz/../b", ("h", None, "/", "a%20%zz/../b")),
    "upper case": (b"GEMINI://H.Example/A", ("h.example", None, "/A", None)),
    "trailing dot": (b"gemini://h./", ("h", None, "/", None)),
    "dot segments": (b"gemini://h/a/./b/../c", ("h", None, "/a/c", None)),
    "trailing dots": (b"gemini://h/a/b/..", ("h", None, "/a/", None)),
    "encoded dot segments": (b"gemini://h/a/%2e%2E/b/%2e/c?q", ("h", None, "/b/c", "q")),
    "half encoded dots": (b"gemini://h/a/.%2E/b", ("h", None, "/b", None)),
    "other half": (b"gemini://h/a/%2e./b", ("h", None, "/b", None)),
    "one encoded dot": (b"gemini://h/a/%2e", ("h", None, "/a/", None)),
    "encoded dots of a name": (b"gemini://h/%2ea/a%2e./%2e%2e%2e", ("h", None, "/%2ea/a%2e./%2e%2e%2e", None)),
    "dots encoded twice": (b"gemini://h/a/%252e%252e/b", ("h", None, "/a/%252e%252e/b", None)),
    "empty segments": (b"gemini://h//a//", ("h", None, "//a//", None)),
    "non-ASCII path": ("gemini://h/ä".encode(), ("h", None, "/ä", None)),
    "non-ASCII host": ("gemini://bücher.example/".encode(), ("xn--bcher-kva.example", None, "/", None)),
    "encoded host": (b"gemini://ex%61mple.%4Frg:1965/", ("example.org", 1965, "/", None)),
    "encoded trailing dot": (b"gemini://h%2e/", ("h", None, "/", None)),
    "encoded UTF-8 host": (b"gemini://b%C3%BCcher.example/", ("xn--bcher-kva.example", None, "/", None)),
    "partly encoded UTF-8 host": ("gemini://büch%65r.example/".encode(), ("xn--bcher-kva.example", None, "/", None)),
    "encoded IPv4": (b"gemini://192.0%2e2.%37/", ("192.0.2.7", None, "/", None)),
    "highest port": (b"gemini://h:65535/", ("h", 65535, "/", None)),
    "port with a zero in front": (b"gemini://h:01965/", ("h", 1965, "/", None)),
    "empty port": (b"gemini://h:/", ("h", None, "/", None)),
    "IPv6": (b"gemini://[2001:DB8:0::1]:1965/", ("2001:db8::1", 1965, "/", None)),
    "IPv4": (b"gemini://192.0.2.7/", ("192.0.2.7", None, "/", None)),
    "another scheme": (b"https://h/a", ("h", None, "/a", None)),
    "titan": (b"titan://h/a;size=3", ("h", None, "/a", None)),
    "titan with a query": (b"titan://h/a/../b;mime=text/x;size=3?q;r", ("h", None, "/b", "q;r")),
    "titan with encoded dots": (b"titan://h/a/%2e%2E/b;size=3", ("h", None, "/b", None)),
    "no authority": (b"mailto:a@h", ("", None, "/", None)),
    "no authority and no path": (b"misfin:", ("", None, "/", None)),
    "a file": (b"file:///etc/passwd", ("", None, "/", None)),
    "a user of another scheme": (b"misfin://ann@h", ("", None, "/", None)),
    "longest": (LONGEST, ("h", None, LONGEST.decode()[10:], None)),
}

REFUSED = {
    "empty": b"",
    "too long": LONGEST + b"x",
    "no scheme": b"h/a",
    "path": b"/a",
    "scheme-relative": b"//h/a",
    "no host": b"gemini:///a",
    "port without a host": b"gemini://:1965/",
    "user": b"gemini://user@h/",
    "user and password": b"gemini://user:secret@h/",
    "empty user": b"gemini://@h/",
    "fragment": b"gemini://h/#a",
    "empty fragment": b"gemini://h/#",
    "leading blank": b" gemini://h/",
    "blank": b"gemini://h/a b",
    "TAB": b"gemini://h/a\tb",
    "NUL": b"gemini://h/\0",
    "DEL": b"gemini://h/\x7f",
    "LF inside": b"gemini://h/\nX",
    "CR inside": b"gemini://h/\rX",
    "C1 control": "gemini://h/\x85".encode(),
    "not UTF-8": b"gemini://h/\xff",
    "over-long dot": b"gemini://h/\xc0\xae\xc0\xae/",
    "UTF-8 surrogate": b"gemini://h/\xed\xa0\x80",
    "climbs": b"gemini://h/..",
    "climbs late": b"gemini://h/a/../../b",
    "climbs after an empty segment": b"gemini://h/..//a",
    "encoded dots": b"gemini://h/%2e%2e/a",
    "dot segment in parameters": b"titan://h/a;token=x/../y",
    "encoded dot segment in parameters": b"titan://h/a;token=x%2f..%2fy",
    "NUL in parameters": b"titan://h/a;token=%00",
    "broken escape in parameters": b"titan://h/a;token=%g0",
    "encoded dots that climb late": b"gemini://h/a/%2e%2E/.%2e/b",
    "dots behind an encoded slash": b"gemini://h/a%2F../b",
    "encoded dots behind an encoded slash": b"gemini://h/a/b%2f%2e%2E",
    "encoded NUL": b"gemini://h/a%00.gmi",
    "lone percent sign": b"gemini://h/100%",
    "broken escape": b"gemini://h/%g0",
    "port in letters": b"gemini://h:gemini/",
    "signed port": b"gemini://h:+1965/",
    "port with underscore": b"gemini://h:1_965/",
    "port in Arabic digits": "gemini://h:١٩٦٥/".encode(),
    "port 0": b"gemini://h:0/",
    "port 0 in full": b"gemini://h:00000/",
    "port too high": b"gemini://h:65536/",
    "port of six digits": b"gemini://h:196500/",
    "port of six digits with zeros": b"gemini://h:001965/",
    "port of many digits": b"gemini://h:" + b"1" * 1000 + b"/",
    "port 0 of an upload": b"titan://h:0/a;size=1",
    "text after IPv6": b"gemini://[::1]evil/",
    "open bracket": b"gemini://[::1/",
    "not IPv6": b"gemini://[:::1]/",
    "bracketed name": b"gemini://[h]/",
    "empty label": b"gemini://a..b/",
    "only a dot": b"gemini://./",
    "encoded slash in host": b"gemini://h%2fa/",
    "encoded colon in host": b"gemini://h%3a1965/",
    "encoded at sign in host": b"gemini://me%40h/",
    "encoded brackets in host": b"gemini://%5b::1%5d/",
    "encoded twice in host": b"gemini://h%252e/",
    "encoded NUL in host": b"gemini://h%00/",
    "encoded line end in host": b"gemini://h%0d%0a/",
    "encoded asterisk in host": b"gemini://%2a/",
    "encoded host that is not UTF-8": b"gemini://b%fccher.example/",
    "encoded host that turns around": b"gemini://h%e2%80%ae/",
    "broken escape in host": b"gemini://h%2/",
    "lone percent sign in host": b"gemini://h%/",
    "only an encoded dot": b"gemini://%2e/",
    "host too long": b"gemini://" + b"a." * 127 + b"b/",
    "not IDNA": "gemini://\N{SNOWMAN}\N{COMBINING ACUTE ACCENT}/".encode(),
}

HAD_DOTS = {
    "none": (b"gemini://h/a/b.gmi", False),
    "in names": (b"gemini://h/.a/a..b/...", False),
    "encoded in a name": (b"gemini://h/%2ea/%20", False),
    "in the query": (b"gemini://h/a?/../b", False),
    "one": (b"gemini://h/./a", True),
    "two": (b"gemini://h/a/..", True),
    "two, encoded": (b"gemini://h/a/%2e%2e/b", True),
    "of an upload": (b"titan://h/a/../b;size=1", True),
    "in an upload's name": (b"titan://h/a;token=.x;size=1", False),
    "of another scheme": (b"https://h/a/../b", True),
}

# What is wrong with a URL of a foreign scheme is for who answers for that to tell.
FOREIGN = {
    "no host": (b"file:///a", "needs a host name"),
    "a user": (b"misfin://ann@h", "no user information"),
    "a user and a password": (b"FTP://ann:hunter2@h/", "no user information"),
    "a fragment": (b"https://h/#a", "no fragment"),
    "a fragment without a host": (b"about:blank#a", "no fragment"),
    "climbs": (b"https://h/../a", "climbs above the root"),
    "a broken escape": (b"https://h/%zz", "two hexadecimal digits"),
    "a port of six digits": (b"https://h:443443/", "at most five digits"),
    "a port in letters": (b"https://h:https/", "a port in digits"),
    "a host that is none": (b"https://a..b/", "Not a host name"),
    "open bracket": (b"https://[::1/", "needs a host name"),
    "sound": (b"https://h/a", ""),
    "sound without a host": (b"misfin:ann@h", ""),
    "gemini and more": (b"gemini+x://@/", "no user information"),
}

SAID = {
    "port of six digits": (
        b"gemini://h:196500/",
        "No such port: a port has at most five digits, and is from 1 to 65535",
    ),
    "port of many digits": (b"gemini://h:" + b"0" * 900 + b"1/", "No such port"),
    "port 0": (b"gemini://h:0/", "No such port"),
    "port too high": (b"gemini://h:65536/", "No such port"),
    "port in letters": (b"gemini://h:a/", "needs a host name, and a port in digits"),
    "encoded slash in host": (b"gemini://h%2fa/", "Not a host name"),
    "no scheme": (b"localhost/a", "has to begin with a scheme"),
    "what is no scheme": (b"1a://h/", "has to begin with a scheme"),
    "nothing for a scheme": (b"://h/", "has to begin with a scheme"),
    "a scheme in other letters": ("gémini://h/".encode(), "has to begin with a scheme"),
}

WAITING = {
    "nothing": b"",
    "no end": b"gemini://h/",
    "CR": b"gemini://h/\r",
    "one byte less than a line": b"x" * (MAX_LINE - 1),
}


def split(line, way):
    if way == "whole":
        return [line + b"\r\n"]
    if way == "byte by byte":
        return [bytes([octet]) for octet in line + b"\r\n"]
    return [line + b"\r\nGET / HTTP/1.1\r\n\r\n" + b"junk" * 600]


def read(chunks):
    """What the chunks come to: a request, the status of a refusal, or None for a wait."""
    reader = RequestReader(PEER)
    for chunk in chunks:
        try:
            request = reader.feed(chunk)
        except GeminiError as error:
            return error.status
        if request is not None:
            return request
    return None


WAYS = pytest.mark.parametrize("way", ["whole", "byte by byte", "with junk"])


@WAYS
@pytest.mark.parametrize(("line", "expected"), READ.values(), ids=READ)
def test_reads(line, expected, way):
    request = read(split(line, way))
    assert (request.url.host, request.url.port, request.url.path, request.url.query) == expected
    assert request.url.text == line.decode()
    assert request.peer is PEER


@WAYS
@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_refuses(line, way):
    assert read(split(line, way)) == 59


@WAYS
@pytest.mark.parametrize(("line", "had_dots"), HAD_DOTS.values(), ids=HAD_DOTS)
def test_tells_whether_there_were_dot_segments(line, had_dots, way):
    assert read(split(line, way)).url.had_dot_segments is had_dots


@WAYS
@pytest.mark.parametrize(("line", "fault"), FOREIGN.values(), ids=FOREIGN)
def test_a_fault_of_a_foreign_scheme_is_kept(line, fault, way):
    url = read(split(line, way)).url
    assert fault in url.fault
    assert bool(url.fault) is bool(fault)
    assert url.text == line.decode()
    assert not url.fault or (url.host, url.port, url.path, url.query, url.segments) == ("", None, "/", None, ("",))


@pytest.mark.parametrize(("line", "said"), SAID.values(), ids=SAID)
def test_says_what_is_wrong(line, said):
    with pytest.raises(BadRequest, match=said):
        RequestReader(PEER).feed(line + b"\r\n")


@pytest.mark.parametrize("line", WAITING.values(), ids=WAITING)
def test_waits(line):
    assert read([line]) is None
    assert read(bytes([octet]) for octet in line) is None


REFUSED_AT_ONCE = {
    "LF": (b"gemini://h/\n", "LF alone"),
    "LF CR": (b"gemini://h/\n\r", "LF alone"),
    "CR CR": (b"gemini://h/\r\r", "control character"),
    "a CR inside": (b"gemini://h/\rx", "control character"),
    "a blank": (b"gemini://h/ x", "a blank or a control character"),
    "HTTP": (b"GET /", "a blank or a control character"),
    "NUL": (b"\0", "control character"),
}


@pytest.mark.parametrize(("line", "said"), REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE)
def test_does_not_wait_for_the_end_of_what_can_be_no_url(line, said):
    with pytest.raises(BadRequest, match=said):
        RequestReader(PEER).feed(line)


def test_does_not_wait_for_the_end_of_a_line_that_is_too_long():
    assert read([b"x" * MAX_LINE]) == 59


def test_accepts_an_end_that_is_torn_apart():
    assert read([b"gemini://h/\r", b"\n"]).url.path == "/"


LOGGED = {
    "nothing": ([], ""),
    "half a line": ([b"gemini://h"], "gemini://h"),
    "whole": ([b"gem", b"ini://h/\r\njunk"], "gemini://h/"),
    "refused": ([b"gemini://h/../\r\n"], "gemini://h/../"),
    "not UTF-8": ([b"a\xff\r\n"], "a\\xff"),
    "too long": ([b"x" * 2000], "x" * MAX_URL),
}


@pytest.mark.parametrize(("chunks", "line"), LOGGED.values(), ids=LOGGED)
def test_what_came_of_the_line_is_there_for_the_log(chunks, line):
    reader = RequestReader(PEER)
    for chunk in chunks:
        with contextlib.suppress(GeminiError):
            reader.feed(chunk)
    assert reader.line == line


NEAR_MISSES = st.builds(
    lambda scheme, text, end: scheme + text.encode("utf-8", "surrogatepass") + end,
    st.sampled_from([b"gemini://", b"titan://", b"titan://h/a;"]),
    st.text(st.sampled_from("h.:/?#@[]%25eE\\;\r\n\t é\u2028\ud800") | st.characters(), max_size=40),
    st.sampled_from([b"\r\n", b"\r", b"\n", b""]),
)


@given(st.binary(max_size=1100) | NEAR_MISSES, st.integers(0, 1100))
def test_any_bytes_are_a_request_a_wait_or_a_refusal_however_they_are_cut(octets, cut):
    outcome = read([octets])
    assert outcome is None or outcome == 59 or isinstance(outcome, Request)
    assert read([octets[:cut], octets[cut:]]) == outcome


BODIES = {
    "nothing": ([b"titan://h/;size=3\r\n"], b""),
    "some of it": ([b"titan://h/;size=3\r", b"\na\r"], b"a\r"),
    "lines": ([b"titan://h/;size=8\r\na\r\nb\r\n\r\n"], b"a\r\nb\r\n\r\n"),
    "no line yet": ([b"titan://h/;size=3"], b""),
}


@pytest.mark.parametrize(("chunks", "rest"), BODIES.values(), ids=BODIES)
def test_what_came_behind_the_line_is_kept_for_an_upload(chunks, rest):
    reader = RequestReader(PEER)
    for chunk in chunks:
        reader.feed(chunk)
    assert reader.rest == rest
