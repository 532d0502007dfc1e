import pytest

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.target import parse_address, parse_target, parse_upload_target

TARGETS = {
    "gemini://h": ("gemini://h/", "h:1965"),
    "h": ("gemini://h/", "h:1965"),
    "H.:1965/A": ("gemini://h/A", "h:1965"),
    "h:300/a?b#c": ("gemini://h:300/a?b", "h:300"),
    "gemini://[::1]:300/": ("gemini://[::1]:300/", "[::1]:300"),
    "GEMINI://bücher.example/ü?é": ("gemini://xn--bcher-kva.example/%C3%BC?%C3%A9", "xn--bcher-kva.example:1965"),
    "gemini://h/%7Ea/../b": ("gemini://h/b", "h:1965"),
    "h/?u=gemini://g/": ("gemini://h/?u=gemini://g/", "h:1965"),
    " gemini://h/a b?c d ": ("gemini://h/a%20b?c%20d", "h:1965"),
    "h/100%?5%25%": ("gemini://h/100%25?5%25%25", "h:1965"),
    "[::1]:300/[a]?[b]": ("gemini://[::1]:300/%5Ba%5D?%5Bb%5D", "[::1]:300"),
    'h/<a>"b"\\^`{|}': ("gemini://h/%3Ca%3E%22b%22%5C%5E%60%7B%7C%7D", "h:1965"),
    "h?a b#c d": ("gemini://h/?a%20b", "h:1965"),
}


@pytest.mark.parametrize("text", TARGETS)
def test_what_a_url_asks_for(text):
    target = parse_target(text)
    assert (target.url, target.place) == TARGETS[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://h/",
        "gemini:///a",
        "gemini://h g/",
        "gemini://h/a\nb",
        "gemini://h/\u202eb",
        "gemini://h/a\udcff",
        "gemini://u@h/",
        "gemini://h:x/",
        "gemini://h/\x1b",
        "h/" + "x" * 1024,
    ],
)
def test_what_is_no_gemini_url(text):
    with pytest.raises(Failure) as caught:
        parse_target(text)
    assert caught.value.code == ExitCode.USAGE
    assert "\x1b" not in str(caught.value)


def test_addresses():
    assert parse_address("h:300") == ("h", 300)
    assert parse_address("[::1]:300") == ("::1", 300)


@pytest.mark.parametrize("text", ["h", "h:", ":1", "h:0", "h:65536", "::1:300", "h:٣"])
def test_what_is_no_address(text):
    with pytest.raises(Failure, match="--connect: expected HOST:PORT"):
        parse_address(text)


def test_what_is_typed_at_a_prompt():
    target = parse_target("h:300/a?b")
    assert target.with_query("ü & 100%/?").url == "gemini://h:300/a?%C3%BC%20%26%20100%25%2F%3F"
    assert target.with_query("").url == "gemini://h:300/a?"
    assert target.with_query("x").place == "h:300"
    with pytest.raises(Failure, match="a request has at most 1024"):
        target.with_query("x" * 1024)


UPLOAD_TARGETS = {
    "h/a.gmi": "titan://h/a.gmi;size=1",
    "gemini://h/a.gmi": "titan://h/a.gmi;size=1",
    "titan://h:300/a.gmi": "titan://h:300/a.gmi;size=1",
    "TITAN://H": "titan://h/;size=1",
    "gemini://h/a;b/c;d.gmi?e;f": "titan://h/a%3Bb/c%3Bd.gmi;size=1?e;f",
    "titan://h/a b.gmi": "titan://h/a%20b.gmi;size=1",
    "titan://h/ü.gmi?titan://g/": "titan://h/%C3%BC.gmi;size=1?titan://g/",
}


@pytest.mark.parametrize("text", UPLOAD_TARGETS)
def test_where_an_upload_goes(text):
    assert parse_upload_target(text).titan_url("size=1") == UPLOAD_TARGETS[text]


@pytest.mark.parametrize("text", ["titan://h/a.gmi;size=5", "https://h/", "titan:///a", "titan://h/\x1b"])
def test_what_no_upload_goes_to(text):
    with pytest.raises(Failure) as caught:
        parse_upload_target(text)
    assert caught.value.code == ExitCode.USAGE
    assert "\x1b" not in str(caught.value)


def test_parameters_count_for_the_longest_request():
    target = parse_upload_target("gemini://h/" + "x" * 1000)
    assert len(target.titan_url("size=1")) == 1017
    with pytest.raises(Failure, match="the URL has 1025 bytes; a request has at most 1024"):
        target.titan_url("size=100000000")


@pytest.mark.parametrize(("text", "name"), [("h/a/b.gmi?c/d", "b.gmi"), ("h/a/", ""), ("h", ""), ("h/%20;", "%20;")])
def test_the_last_part_of_a_path(text, name):
    assert parse_target(text).name == name
