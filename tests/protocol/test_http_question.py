"""What HTTP servers are asked, and where their redirects lead to."""

import base64
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.errors import BadRequest, NotFound
from gemd.protocol.http_question import HTTPQuestion, make_forwarded, make_host, make_question
from gemd.protocol.peer import Peer
from gemd.protocol.url import parse_url

TARGET = re.compile(r"/(?!/)[-._~A-Za-z0-9%!$&'()*+,;=:@/]*(\?[-._~A-Za-z0-9%!$&'()*+,;=:@/?]*)?")


def target_of(path, strip=0):
    return make_question(parse_url(f"gemini://h{path}".encode()), "b", strip).target


@pytest.mark.parametrize(
    ("path", "strip", "target", "prefix"),
    [
        ("", 0, "/", ""),
        ("/", 0, "/", ""),
        ("/app", 0, "/app", ""),
        ("/app", 1, "/", "/app"),
        ("/app/", 1, "/", "/app"),
        ("/app/x/", 1, "/x/", "/app"),
        ("/app/x", 2, "/", "/app/x"),
        ("/app//x", 1, "/x", "/app"),
        ("//app/x//y", 1, "/x//y", "/app"),
        ("//evil.example/", 0, "/evil.example/", ""),
        ("/a/b%2Fc", 1, "/b%2Fc", "/a"),
        ("/a%2Fb/c", 2, "/c", "/a%2Fb"),
        ("/%41pp/x", 1, "/x", "/%41pp"),
        ("/a;b=c/d%3Be", 0, "/a;b=c/d%3Be", ""),
        ("/gärten/ä", 1, "/%C3%A4", "/g%C3%A4rten"),
        ("/a/../b/./c", 0, "/b/c", ""),
        ('/"<>[]\\^`{|}', 0, "/%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D", ""),
        ("/?", 0, "/?", ""),
        ("/?a=b&c", 0, "/?a=b&c", ""),
        ("/x?hello%20world%0A", 1, "/?hello%20world%0A", "/x"),
        ("/?ä|/?", 0, "/?%C3%A4%7C/?", ""),
    ],
)
def test_what_is_asked(path, strip, target, prefix):
    question = make_question(parse_url(f"gemini://h{path}".encode()), "b", strip)
    assert (question.target, question.prefix) == (target, prefix)


@pytest.mark.parametrize(("path", "strip"), [("/a%2Fb", 1), ("/a/b%2Fc/d", 2)])
def test_a_path_that_can_t_be_cut(path, strip):
    with pytest.raises(NotFound):
        target_of(path, strip)


@given(st.text(max_size=40), st.integers(0, 3))
def test_any_url_is_a_target_or_refused(text, strip):
    try:
        target = target_of(f"/{text}", strip)
    except (BadRequest, NotFound):
        return
    except UnicodeEncodeError:
        return
    assert TARGET.fullmatch(target)


# Redirects

QUESTION = HTTPQuestion("/wiki/page?q", "example.org", "/app")


@pytest.mark.parametrize(
    ("reference", "to"),
    [
        ("/x", "/app/x"),
        ("/x?a=b", "/app/x?a=b"),
        ("/", "/app/"),
        ("other", "/app/wiki/other"),
        ("../up", "/app/up"),
        ("../../../up", "/app/up"),
        ("?q2", "/app/wiki/page?q2"),
        ("/x#part", "/app/x"),
        ("http://example.org/x", "/app/x"),
        ("http://EXAMPLE.org:80/x", "/app/x"),
        ("http://example.org", "/app/"),
        ("//example.org/x", "/app/x"),
        ("http://127.0.0.1:8000/x", "/app/x"),
        ("http://127.0.0.1:8001/x", "http://127.0.0.1:8001/x"),
        ("http://example.org//evil.example/", "/app/evil.example/"),
        ("http://example.org/../../secret", "/app/secret"),
        ("//example.org/x/%2e%2E/%2e./y", "/app/y"),
        ("http://example.org/..", "/app/"),
        ("../../../../../secret", "/app/secret"),
        ("https://example.org/x", "https://example.org/x"),
        ("http://user@example.org/x", "http://user@example.org/x"),
        ("http://other.example/x#part", "http://other.example/x#part"),
        ("//other.example/x", "http://other.example/x"),
        ("gemini://other.example/", "gemini://other.example/"),
        ("mailto:a@b.example", "mailto:a@b.example"),
    ],
)
def test_where_a_redirect_leads(reference, to):
    assert QUESTION.translate_redirect(reference, {"127.0.0.1:8000"}) == to


def test_nothing_was_taken_off():
    question = HTTPQuestion("/a/b", "h")
    assert question.translate_redirect("c", ()) == "/a/c"
    assert question.translate_redirect("http://h//c.example/", ()) == "/c.example/"


def test_a_redirect_to_no_url():
    with pytest.raises(ValueError, match="is no URL"):
        QUESTION.translate_redirect("http://[::1/", ())


# Who asks


def peer(address="192.0.2.7", certificate=None):
    return Peer(address, 1, "192.0.2.9", 1965, SimpleNamespace(client_certificate=certificate))


@pytest.mark.parametrize(
    ("url", "address", "fields"),
    [
        (
            "gemini://example.org/",
            "192.0.2.7",
            {"Forwarded": 'for="192.0.2.7";host="example.org";proto=gemini', "X-Forwarded-For": "192.0.2.7"},
        ),
        (
            "gemini://EXAMPLE.org:1966/",
            "2001:db8::7",
            {"Forwarded": 'for="[2001:db8::7]";host="example.org:1966";proto=gemini', "X-Forwarded-For": "2001:db8::7"},
        ),
        ("gemini://[::1]/", "unix", {"Forwarded": 'for=unknown;host="[::1]";proto=gemini'}),
        ("gemini://gärten.example/", "unix", {"Forwarded": 'for=unknown;host="xn--grten-gra.example";proto=gemini'}),
    ],
)
def test_for_whom_it_is(url, address, fields):
    assert dict(make_forwarded(parse_url(url.encode()), peer(address))) == fields


def test_with_which_certificate():
    fields = dict(make_forwarded(parse_url(b"gemini://h/"), peer(certificate=SimpleNamespace(der=b"\x30\xff"))))
    assert base64.b64decode(fields["Client-Cert"].strip(":")) == b"\x30\xff"


@pytest.mark.parametrize(
    ("name", "port", "host"),
    [("h", 80, "h"), ("h", 8000, "h:8000"), ("::1", 80, "[::1]"), ("::1", 8000, "[::1]:8000")],
)
def test_the_host(name, port, host):
    assert make_host(name, port) == host
