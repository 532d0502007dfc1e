"""Where answers lead, from what `gemctl fetch` says and what servers were asked."""

import argparse

import pytest

from gemd.gemctl.course import Course, find_redirect
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.gemini_client import Header
from gemd.gemctl.target import parse_target

PAGE = b"20 text/gemini\r\n# A page\n"


@pytest.fixture
def serve_answers(serve):
    """Start a server that has an answer for each path and query; for others it has a page."""

    def start(answers):
        def answer(tls):
            path = server.requests[-1].decode().strip().partition(server.place)[2]
            tls.sendall(answers.get(path, PAGE))

        server = serve(answer)
        return server

    return start


def asked(server):
    return [line.decode().strip().partition(server.place)[2] for line in server.requests]


# Redirects


def test_redirects_are_followed_when_that_is_said(serve_answers, fetch):
    server = serve_answers({"/a": b"30 b?c\r\n", "/b?c": b"31 /d e\r\n"})
    assert fetch(server.url("/a"))[0] == 1
    code, printed, said = fetch("--follow", server.url("/a"))
    assert (code, printed) == (0, b"# A page\n")
    assert f"gemctl: following it to {server.url('/b?c')}\n" in said
    assert "another server" not in said
    assert asked(server) == ["/a", "/a", "/b?c", "/d%20e"]


def test_five_redirects_and_no_more(serve_answers, fetch):
    server = serve_answers({f"/{nr}": b"30 /%d\r\n" % (nr + 1) for nr in range(6)})
    assert fetch("--follow", server.url("/1"))[0] == 0
    code, _, said = fetch("--follow", server.url("/0"))
    assert (code, asked(server)[-1]) == (1, "/5")
    assert f"more than 5 redirects; the next one leads to {server.url('/6')}" in said


def test_a_circle(serve_answers, fetch):
    server = serve_answers({"/a": b"30 /b\r\n", "/b": b"30 /a\r\n", "/c": b"30 \r\n"})
    code, _, said = fetch("--follow", server.url("/a"))
    assert (code, asked(server)) == (1, ["/a", "/b"])
    assert f"the redirects lead in a circle, to {server.url('/a')} again" in said
    assert "in a circle" in fetch("--follow", server.url("/c"))[2]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ("https://h/\x1b", "it leads out of Gemini, where gemctl does not follow: https://h/\\x1b"),
        ("titan://h/", "it leads out of Gemini"),
        ("mailto:ada@h", "it leads out of Gemini"),
        ("gemini:/x", "it leads to what is no URL: gemini:/x"),
        ("//[", "it leads to what is no URL: "),
        (" https://h/", "it leads to what is no URL:  https://h/"),
        ("ht\ttps://h/", "it leads to what is no URL: ht\\x09tps://h/"),
        ("/\udcff", "it leads to what can't be asked for:\ngemini://h/\\udcff: The URL is not UTF-8"),
        ("gemini://u@h/", "it leads to what can't be asked for:"),
        ("/../..\u202e", "it leads to what can't be asked for:"),
    ],
)
def test_where_nobody_follows(meta, expected):
    with pytest.raises(Failure) as caught:
        find_redirect(parse_target("h/"), Header(30, meta))
    assert str(caught.value).startswith(expected)
    assert caught.value.code == ExitCode.FAILED
    assert "\u202e" not in str(caught.value)


def test_a_redirect_that_is_not_utf_8_is_followed_nowhere(serve_answers, fetch):
    server = serve_answers({"/a": b"30 /\xff\r\n"})
    assert fetch("--follow", server.url("/a"))[0] == 1
    assert asked(server) == ["/a"]


def test_what_is_said_for_one_server_is_for_no_other(serve, serve_answers, fetch):
    other = serve(b"20 text/plain\r\nother")
    first = serve_answers({"/a": f"30 {other.url()}\r\n".encode()})
    code, printed, said = fetch("--follow", "--trust", "--connect", f"127.0.0.1:{first.port}", first.url("/a"))
    assert (code, printed) == (0, b"other")
    assert f"gemctl: {other.place} is another server, which is asked without --connect, --trust\n" in said
    other.show("localhost")
    code, _, said = fetch("--follow", "--trust", first.url("/a"))
    assert (code, f"the certificate of {other.place} has changed" in said) == (1, True)


def test_options_by_server():
    given = argparse.Namespace(follow=True, cert="c", key="k", connect="x:1", trust=True, timeout=5.0)
    course = Course(parse_target("h/"), given, None)
    assert course.options_for(parse_target("h/b")) is given
    for other in ("g/", "h:300/"):
        expected = argparse.Namespace(follow=True, cert=None, key=None, connect=None, trust=False, timeout=5.0)
        assert course.options_for(parse_target(other)) == expected


# Prompts


def test_a_prompt_is_answered(serve_answers, fetch):
    server = serve_answers({"/ask?old": b"10 Who?\r\n"})
    code, printed, said = fetch("--input", "Ada & ü", server.url("/ask?old"))
    assert (code, printed) == (0, b"# A page\n")
    assert asked(server) == ["/ask?old", "/ask?Ada%20%26%20%C3%BC"]
    assert "it asks, and is told what --input says" in said
    assert "was not sent" not in said


def test_a_prompt_is_answered_once(serve_answers, fetch):
    server = serve_answers({"/ask": b"11 Word?\r\n", "/ask?x": b"11 Word?\r\n"})
    code, _, said = fetch("--input", "x", server.url("/ask"))
    assert (code, asked(server)) == (1, ["/ask", "/ask?x"])
    assert "to answer, and wants it to stay secret: gemctl fetch " in said


def test_nobody_has_asked(serve, fetch):
    code, _, said = fetch("--input", "x", serve().url())
    assert (code, said.endswith("gemctl: what --input says was not sent\n")) == (0, True)


def test_a_redirect_to_a_prompt_and_back(serve_answers, fetch):
    server = serve_answers({"/a": b"30 /ask\r\n", "/ask": b"10 Who?\r\n", "/ask?x": b"30 /ask\r\n"})
    code, _, said = fetch("--follow", "--input", "x", server.url("/a"))
    assert (code, asked(server)) == (1, ["/a", "/ask", "/ask?x", "/ask"])
    assert "it asks: Who?" in said


def test_another_server_is_not_told(serve, serve_answers, fetch):
    other = serve(b"10 Password?\r\n")
    first = serve_answers({"/a": f"30 {other.url()}\r\n".encode()})
    code, _, said = fetch("--follow", "--input", "secret", first.url("/a"))
    assert (code, len(other.requests)) == (1, 1)
    assert f"{other.place} is another server, which is not told what --input says" in said
    assert "what --input says was not sent" in said
