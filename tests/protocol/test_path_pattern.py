"""What a pattern matches, and what becomes of what it found."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.characters import fits_header
from gemd.protocol.errors import GeminiError
from gemd.protocol.path_pattern import PathPattern, PathTemplate
from gemd.protocol.url import encode_path, encode_segment, parse_url, resolve

MOVES = {
    "a name and the rest": ("/old/{year}/{rest...}", "/new/{year}/{rest}", "/old/2020/a/b", "/new/2020/a/b"),
    "a directory": ("/old/{year}/{rest...}", "/new/{year}/{rest}", "/old/2020/a/", "/new/2020/a/"),
    "nothing more": ("/old/{year}/{rest...}", "/new/{year}/{rest}", "/old/2020", "/new/2020/"),
    "too little": ("/old/{year}/{rest...}", "/new/{year}/{rest}", "/old/", None),
    "another path": ("/old/{year}/{rest...}", "/new/{year}/{rest}", "/older/2020/a", None),
    "too much": ("/old/{name}", "/new/{name}", "/old/a/b", None),
    "with a slash": ("/old/{name}", "/new/{name}", "/old/a/", "/new/a"),
    "the query": ("/old/{name}", "/new/{name}", "/old/a?b=%20c", "/new/a?b=%20c"),
    "an empty query": ("/old/{name}", "/new/{name}", "/old/a?", "/new/a?"),
    "a query of its own": ("/tag/{tag}", "/search?{tag}", "/tag/a%26%3Fb%20c?d", "/search?a%26%3Fb%20c"),
    "the rest in a query": ("/tag/{tag...}", "/search?{tag}", "/tag/a/b%2Fc/", "/search?a%2Fb%2Fc"),
    "part of a segment": ("/p/{slug}.html", "/posts/{slug}.gmi", "/p/a.b.html", "/posts/a.b.gmi"),
    "no part of a segment": ("/p/{slug}.html", "/posts/{slug}.gmi", "/p/.html", None),
    "parts that would overlap": ("/aba{x}ba", "/{x}", "/ababa", None),
    "a dot segment in the making": ("/a{x}", "/{x}/etc", "/a..", None),
    "half a dot segment": ("/a{x}", "/.{x}/etc", "/a.", None),
    "no name at all": ("/old", "/new", "/old/?q", "/new?q"),
    "everything": ("/{all...}", "gemini://g/{all}", "/a/b", "gemini://g/a/b"),
    "everything, of nothing": ("/{all...}", "gemini://g/{all}", "/", "gemini://g/"),
    "not needed": ("/{}/{x}/{...}", "/{x}", "/a/b/c/d", "/b"),
    "twice": ("/{x}", "/{x}/{x}", "/a", "/a/a"),
    "slash runs": ("//old//{x}/", "/new/{x}", "//old///a", "/new/a"),
    "an encoded slash divides": ("/old/{x}", "/new/{x}", "/old%2Fa", "/new/a"),
    "an encoded slash is no part of a name": ("/old/{x}", "/new/{x}", "/old/a%2Fb", None),
    "an encoded slash in the rest": ("/old/{x...}", "/new/{x}", "/old/a%2Fb/c", "/new/a%2Fb/c"),
    "another host by a slash": ("/old/{x...}", "/{x}", "/old/%2Fevil.example/", "/%2Fevil.example/"),
    "another host by nothing": ("/old/{x...}", "/{x}/evil.example", "/old/", "/evil.example"),
    "another host by nothing and a run": ("/old/{x...}", "/{x}//evil.example", "/old/", "/evil.example"),
    "another scheme": ("/old/{x...}", "/{x}", "/old/gemini:/evil.example", "/gemini:/evil.example"),
    "another host behind a host": ("/old/{x}", "gemini://g/{x}", "/old/@evil.example", "gemini://g/@evil.example"),
    "a line end": ("/old/{x}", "/{x}", "/old/%0D%0A20%20x", "/%0D%0A20%20x"),
    "a stray octet": ("/old/{x}", "/{x}", "/old/%FF", "/%FF"),
    "a percent sign": ("/old/{x}", "/{x}", "/old/%2541", "/%2541"),
    "a question mark": ("/old/{x}", "/{x}", "/old/a%3Fb", "/a%3Fb"),
    "braces": ("/{{{x}}}", "/{x}", "/%7Ba%7D", "/a"),
    "case": ("/Old/{x}", "/{x}", "/old/a", None),
    "not encoded": ("/a b/é/{x}", "/{x}", "/a%20b/%C3%A9/c", "/c"),
    "a query that is not encoded": ("/a/{x}", "/{x}", "/a/b?ä|", "/b?%C3%A4%7C"),
}


@pytest.mark.parametrize(("match", "to", "path", "expected"), MOVES.values(), ids=MOVES)
def test_moves(match, to, path, expected):
    pattern, url = PathPattern(match), parse_url(f"gemini://h{path}".encode())
    target, found = PathTemplate(to, pattern), pattern.find(url)
    assert (None if found is None else target.fill(found, url)) == expected


MISTAKES = {
    "no slash": ("a/{x}", "/{x}", "begins with a slash"),
    "a brace alone": ("/a{", "/", "written twice"),
    "a brace that closes alone": ("/a}", "/", "written twice"),
    "a slash within": ("/{a/b}", "/", "written twice"),
    "a strange name": ("/{a b}", "/", "is no name"),
    "a number": ("/{1}", "/{1}", "is no name"),
    "two in a segment": ("/{a}-{b}", "/{a}{b}", "only one name"),
    "a dot segment": ("/a/../{b}", "/{b}", "dot segments"),
    "more after the rest": ("/{a...}/b", "/{a}", "nothing may follow {a...}"),
    "the rest of a segment": ("/a-{b...}", "/{b}", "put a slash before it"),
    "a name twice": ("/{a}/{a}", "/{a}", "{a} is there twice"),
    "a name and the rest": ("/{a}/{a...}", "/{a}", "{a} is there twice"),
    "an unknown name": ("/{a}", "/{b}", "{b} is no name in match, which has {a}"),
    "an unknown name of none": ("/a", "/{b}", "{b} is no name in match, which has none"),
    "an unused name": ("/{a}/{b}", "/{a}", "{b} of match is not used: put it in, or write {} there"),
    "an unused rest": ("/{a}/{b...}", "/{a}", "{b} of match is not used: put it in, or write {...} there"),
    "the rest in a word": ("/{a...}", "/b-{a}", "{a} stands for whole segments"),
    "the rest in a word, once": ("/{a...}", "/{a}/b{a}", "{a} stands for whole segments"),
    "the host": ("/{a}", "gemini://{a}/", "a URL with a host"),
    "a part of the host": ("/{a}", "gemini://h{a}/", "a URL with a host"),
    "the port": ("/{a}", "gemini://h:{a}/", "a URL with a host"),
    "the scheme": ("/{a}", "{a}://h/", "a URL with a host"),
    "a host in the making": ("/{a}", "//{a}", "one slash"),
    "a relative path": ("/{a}", "{a}", "one slash"),
    "a blank": ("/{a}", "/b c/{a}", "%20"),
    "what is not encoded": ("/{a}", "/ä/{a}", "percent-encoded"),
    "half an octet": ("/{a}", "/%4{a}", "percent-encoded"),
    "no such port": ("/{a}", "gemini://h:65536/{a}", "port from 1 to 65535"),
    "a fragment": ("/{a}", "/{a}#b", "percent-encoded"),
    "a brace in the target": ("/{a}", "/{{a}}", "%7B"),
    "nothing": ("/{a}", "", "one slash"),
}


@pytest.mark.parametrize(("match", "to", "text"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_say_what_to_change(match, to, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        PathTemplate(to, PathPattern(match))


BELOW = {
    "the host": ("/a/{b}", (), True),
    "its own path": ("/a/{b}", ("a",), True),
    "what a name stands for": ("/a/{b}/c", ("a", "x"), True),
    "another path": ("/a/{b}", ("b",), False),
    "what is deeper": ("/a/{b}", ("a", "x", "y"), False),
    "what is deeper, of a rest": ("/a/{b...}", ("a", "x", "y"), True),
}


@pytest.mark.parametrize(("match", "names", "expected"), BELOW.values(), ids=BELOW)
def test_where_a_pattern_may_match(match, names, expected):
    assert PathPattern(match).may_match_below(names) is expected


SAMPLES = {
    "/a": [("a",)],
    "/a/{b}.html": [("a", "b.html")],
    "/{}/{b}/{rest...}": [("any", "b"), ("any", "b", "rest")],
    "/{...}": [(), ("any",)],
}


@pytest.mark.parametrize(("match", "samples"), SAMPLES.items())
def test_samples_are_matched(match, samples):
    pattern = PathPattern(match)
    assert pattern.list_samples() == samples
    for names in samples:
        assert pattern.find(parse_url(f"gemini://h{encode_path(names)}".encode())) is not None


TARGETS = ["/{a}/{r}", "/{r}", "/{r}/{a}", "/x{a}/{r}?{a}", "gemini://g:1/{r}/.{a}", "/?{a}{r}"]


@given(st.lists(st.text(max_size=5), max_size=5), st.booleans(), st.sampled_from(TARGETS))
def test_whatever_is_asked_stays_in_its_place(segments, is_directory, to):
    """No header ends early, and no other host is reached."""
    pattern = PathPattern("/old/{}{...}".replace("{}{...}", "{a}/{r...}"))
    if not all(f"{{{name}}}" in to for name in "ar"):
        to += "?{a}{r}"
    path = "/".join(map(encode_segment, segments)) + "/" * is_directory
    try:
        url = parse_url(f"gemini://h/old/{path}".encode())
    except GeminiError:
        return
    found = pattern.find(url)
    if found is None:
        return
    target = PathTemplate(to, pattern).fill(found, url)
    assert target.isascii()
    assert fits_header(target)
    led = parse_url(resolve("gemini://h/old/", target).encode())
    assert led.host == ("g" if to.startswith("gemini") else "h")
    assert ".." not in target.partition("?")[0].split("/")
