"""The dialect "http": headers of programs for the web."""

import pytest

from gemd.protocol.peer import ClientCertificate
from gemd.protocol.status import Status
from gemd.responders.cgi.header import find_header
from gemd.responders.cgi.http_dialect import choose_header
from gemd.system.script_output import ScriptError
from tests.responders.asking import peer, request


def finder(url="/", dialect="http", failure=Status.CGI_ERROR, **asker):
    return choose_header(dialect, request(url, peer(**asker)), failure)


@pytest.mark.parametrize("dialect", ["jetforce", "gmid", "molly-brown", "gemserv", "gmcapsule"])
def test_other_dialects_speak_gemini(dialect):
    assert finder(dialect=dialect) is find_header


ANSWERS = {
    "CRLF": (b"Content-Type: text/plain\r\n\r\nbody", (20, "text/plain", b"body")),
    "LF": (b"Content-Type: text/plain\n\nbody\n", (20, "text/plain", b"body\n")),
    "an empty line first in the body": (b"Content-Type: text/plain\n\n\nbody", (20, "text/plain", b"\nbody")),
    "no body": (b"Status: 404 Not Found\r\n\r\n", (51, "Not Found", b"")),
    "a page that is not sent": (b"Status: 410\nContent-Type: text/html\n\n<p>", (52, "Gone", b"<p>")),
}


@pytest.mark.parametrize(("output", "found"), ANSWERS.values(), ids=ANSWERS)
def test_a_header_is_found_when_it_is_whole(output, found):
    find = finder()
    assert find(output) == found
    size = len(output) - len(found[2])
    assert [find(output[:end]) for end in range(size)] == [None] * size


BAD = {
    "Gemini": (b"20 text/gemini\r\n", "'20 text/gemini.*which is a header of Gemini"),
    "Gemini without a text": (b"51\r\n\n", "which is a header of Gemini"),
    "no type": (b"Status: 200\n\n", "bad header b'Status: 200': it has no Content-Type"),
    "too long": (b"X: " + b"x" * 70_000, "more than 8192 bytes"),
    "a type too long": (b"Content-Type: a/" + b"b" * 1030 + b"\n\n", "no media type"),
    "a target too long": (b"Location: /" + b"b" * 1030 + b"\n\n", "at most 1024 are allowed"),
    "a target that ends the header": (b"Location: /\x0d/\n\n", "a control character|no field"),
    "a target with an escape": (b"Location: /\x1b/\n\n", "a control character"),
}


@pytest.mark.parametrize(("output", "reason"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(output, reason):
    with pytest.raises(ScriptError, match=reason) as caught:
        finder()(output)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


TARGETS = {
    "/a?b": "/a?b",
    "a": "a",
    "https://h/a": "gemini://h/a",
    "http://h/": "gemini://h/",
    "HTTPS://H": "gemini://H",
    "https://h?x": "gemini://h?x",
    "https://h:1965/a": "gemini://h:1965/a",
    "https://h:443/a": "https://h:443/a",
    "https://h.example/a": "https://h.example/a",
    "https://h@elsewhere.example/": "https://h@elsewhere.example/",
    "gemini://elsewhere.example/": "gemini://elsewhere.example/",
    "https:/a": "https:/a",
}


@pytest.mark.parametrize(("target", "meta"), TARGETS.items())
def test_a_redirect_to_where_the_program_believes_itself_to_be_leads_here(target, meta):
    assert finder()(f"Location: {target}\n\n".encode()) == (30, meta, b"")


def test_the_port_of_the_url_is_where_the_program_is():
    find = finder("gemini://h:7000/")
    assert find(b"Location: https://h:7000/a\n\n") == (30, "gemini://h:7000/a", b"")
    assert find(b"Location: https://h/a\n\n") == (30, "https://h/a", b"")


def test_who_may_not_is_told_so_by_whether_there_is_a_certificate():
    certificate = ClientCertificate(b"", "ab" * 32)
    assert finder()(b"Status: 403\n\n")[0] == 50
    assert finder(client_certificate=certificate)(b"Status: 403\n\n")[0] == 61


def test_a_failure_is_of_who_was_asked():
    assert finder()(b"Status: 500\n\n")[0] == 42
    assert finder(failure=Status.PROXY_ERROR)(b"Status: 500\n\n")[0] == 43
