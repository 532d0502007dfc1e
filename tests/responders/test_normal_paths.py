"""A path with dot segments, and a directory without its slash."""

import sys
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gemd.protocol.errors import BadRequest, NotFound, SlowDown
from gemd.protocol.reference import encode_reference
from gemd.protocol.response import MAX_META
from gemd.protocol.url import parse_url
from gemd.responders.normal_paths import redirect_to_directory, redirect_to_normal
from gemd.responders.router import Router

from .asking import peer, request, settle

NORMAL = {
    "two": ("/guides/..", "/"),
    "one": ("/a/./b", "/a/b"),
    "encoded": ("/a/%2e%2E/b", "/b"),
    "half encoded": ("/a/.%2e/b", "/b"),
    "at the end": ("/a/.", "/a/"),
    "of what is not there": ("/none/at/all/../x", "/none/at/x"),
    "query": ("/a/../b?c=%20d&/../e", "/b?c=%20d&/../e"),
    "empty query": ("/a/../b?", "/b?"),
    "what is encoded stays so": ("/x/../%61%2Fb%20c", "/%61%2Fb%20c"),
    "non-ASCII": ("/x/../ä?ö", "/%C3%A4?%C3%B6"),
    "what no URL has": ('/x/../a"<>\\^`{|}', "/a%22%3C%3E%5C%5E%60%7B%7C%7D"),
    "empty segments": ("/a//./b//", "/a//b//"),
    "another host's name": ("/x/..//evil.example/a?b", "gemini://h//evil.example/a?b"),
    "the same with the port": ("gemini://H:1965/.//evil.example", "gemini://h:1965//evil.example"),
    "the same by an address": ("gemini://192.0.2.9/.//e", "gemini://192.0.2.9//e"),
    "a backslash": ("/./\\evil.example", "/%5Cevil.example"),
    "hidden": ("/x/../.git/config", "/.git/config"),
}


@pytest.mark.parametrize(("url", "target"), NORMAL.values(), ids=NORMAL)
def test_dot_segments_are_led_away_from(ask, url, target):
    answer = ask(url)
    assert (answer.status, answer.meta, answer.body) == (31, target, b"")


def test_ipv6_is_in_brackets():
    asked = request("gemini://[2001:DB8::1]/.//a")
    assert redirect_to_normal(asked, None).meta == "gemini://[2001:db8::1]//a"


def test_a_target_that_fits_no_header_is_not_found():
    with pytest.raises(NotFound):
        redirect_to_normal(request("/./" + "ä" * 400), None)
    with pytest.raises(NotFound):
        redirect_to_directory(request("/dir?" + "ä" * 400).url)


PATHS = st.lists(st.sampled_from(["", ".", "..", "%2e", ".%2E", "...", "a", "%2F", "ä", "%ff", ";x", "\\", ":"]))


@given(
    PATHS, st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"], exclude_characters="#"), max_size=9)
)
def test_one_redirect_is_enough_and_stays_at_the_host(segments, query):
    text = "gemini://h/" + "/".join(segments) + (f"?{query}" if query is not None else "")
    try:
        url = parse_url(text.encode())
    except BadRequest:
        assume(False)
    meta = redirect_to_normal(SimpleNamespace(url=url), None).meta
    assert meta.isascii()
    assert meta.isprintable()
    assert len(meta) <= MAX_META
    led = parse_url((meta if meta.startswith("gemini:") else f"gemini://h{meta}").encode())
    assert not led.had_dot_segments
    assert (led.host, led.port, led.segments) == (url.host, url.port, url.segments)
    assert led.query == (encode_reference(url.query) if url.query is not None else None)
    assert not meta.startswith("//")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(PATHS)
def test_what_is_there_makes_no_difference(ask, segments):
    path = "/" + "/".join(segments)
    answer = ask("/dir/" + path.lstrip("/"), root="/dev/null")
    url = f"gemini://h/dir/{path.lstrip('/')}"
    try:
        had_dots = parse_url(url.encode()).had_dot_segments
    except BadRequest:
        had_dots = False
    assert (answer.status == 31) is had_dots


# Who answers, and what goes before

RULES = {
    "files": {},
    "no listing": {"listing": False},
    "gone": {"gone": True},
    "moved": {"redirect": {"to": "/elsewhere/"}},
    "scripts": {"cgi": "."},
    "a script": {"script": "/bin/true"},
    "an application": {"app": "m:app"},
    "fastcgi": {"fastcgi": {"to": "127.0.0.1:1"}},
    "scgi": {"scgi": {"to": "127.0.0.1:1"}},
    "a proxy": {"proxy": {"to": "gemini://b.example:1"}},
}


@pytest.mark.parametrize("path", ["/in/a/../b?q", "/in/%2e/b?q", "/x/../in/b?q"])
@pytest.mark.parametrize("keys", RULES.values(), ids=RULES)
def test_it_is_the_same_for_all_that_answer(ask, path, keys):
    answer = ask(path, location=[{"path": "/in/", **keys}])
    assert (answer.status, answer.meta) == (31, "/in/b?q")


def test_access_goes_before(ask):
    location = [
        {"path": "/in/", "client-certificate": "any"},
        {"path": "/lan/", "access": {"allow": ["198.51.100.0/24"]}},
    ]
    for path in ("/in/../in/a", "/in/./", "/x/../in/a", "/in/%2e%2e/in/a"):
        assert ask(path, location=location).status == 60, path
    assert ask("/x/../lan/a", location=location).status == 50
    assert ask("/in/../page.gmi", location=location).meta == "/page.gmi"


def test_a_limit_counts_it(ask):
    asked = []

    def make_limit(budgets):
        def check(peer):
            asked.append(budgets[0].place)
            if len(asked) > 2:
                raise SlowDown("3")

        return check

    location = [{"path": "/in/", "rate": "5/h"}]
    assert [ask("/x/../in/a", make_limit=make_limit, location=location).status for _ in range(3)] == [31, 31, 44]
    assert len(asked) == 3


def test_a_host_or_port_that_is_not_served_is_told_first(ask):
    assert ask("gemini://g/a/../b").status == 53
    assert ask("gemini://h:1966/a/../b").status == 53
    assert ask("/a/../b", peer(server_name="g"), hosts=[{"name": "g", "gone": True}]).status == 53
    assert ask("gemini://g/a/../b", hosts=[{"name": "*", "gone": True}]).meta == "/b"


SAYS = """
def app(environ, send_status):
    send_status(20, "text/plain")
    return environ["GEMINI_URL"]
"""


@pytest.fixture
def proxy(configure, tmp_path, monkeypatch):
    """What an application answers that has foreign hosts and schemes."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "told.py").write_text(SAYS)
    host = {"name": "p", "app": "told:app", "app-path": str(tmp_path), "schemes": ["gemini", "https"], "hosts": "*"}
    router = Router(configure(hosts=[host]), {}, None)
    router.applications.open(SimpleNamespace(begin=lambda _: None, end=lambda _: None))
    yield lambda url: settle(lambda: router.respond(request(url)))
    del sys.modules["told"]


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("gemini://foreign/a/../b?q", "gemini://foreign/b?q"),
        ("gemini://foreign/a/%2e%2e/b", "gemini://foreign/b"),
        ("https://foreign/a/./b", "https://foreign/a/b"),
        ("https://p/a/../b", "https://p/b"),
        ("https://p", "https://p"),
    ],
)
def test_what_is_passed_on_is_not_led_anywhere(proxy, url, seen):
    answer = proxy(url)
    assert (answer.status, answer.body.decode()) == (20, seen)


def test_its_own_host_is_like_any(proxy):
    assert proxy("gemini://p/a/../b").meta == "/b"


@pytest.mark.parametrize(
    ("path", "target"),
    [("/dir", "/dir/"), ("//dir", "/dir/"), ("/dir?q%20r", "/dir/?q%20r"), ("/a%20b?", "/a%20b/?"), ("/%2F", "/%2F/")],
)
def test_a_directory_gets_a_slash(path, target):
    answer = redirect_to_directory(request(path).url)
    assert (answer.status, answer.meta) == (31, target)
