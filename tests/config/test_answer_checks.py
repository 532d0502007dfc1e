import pytest

from gemd.config.answer_checks import find_idle_patterns
from gemd.config.answer_settings import FixedAnswer, Redirect

from .reading import HOST, first, parse, problems_of

MISTAKES = {
    "a blank in a target": ("redirect = { to = '/a b' }", "redirect.to", '%20; it is "/a b"'),
    "a target that is not encoded": ("redirect = { to = '/ä' }", "redirect.to", "percent-encoded"),
    "a percent sign": ("redirect = { to = '/100%' }", "redirect.to", "percent-encoded"),
    "a fragment": ("redirect = { to = '/a#b' }", "redirect.to", "without a fragment"),
    "no host": ("redirect = { to = 'gemini:///x' }", "redirect.to", "needs a host name"),
    "no port": ("redirect = { to = 'gemini://h:65536/' }", "redirect.to", "port from 1 to 65535"),
    "no scheme": ("redirect = { to = '1:2' }", "redirect.to", "is no scheme"),
    "names without match": ("redirect = { to = '/{a}' }", "redirect.to", "need match"),
    "a pattern that is none": ("redirect = { match = 'a', to = '/' }", "redirect.match", "begins with a slash"),
    "an unknown name": ("redirect = { match = '/{a}', to = '/{b}' }", "redirect.to", "{b} is no name"),
    "a mistake in a list": (
        "redirect = [{ match = '/a', to = '/' }, { match = 'b', to = '/' }]",
        "redirect[2].match",
        "begins with a slash",
    ),
    "an unknown key in a list": (
        "redirect = [{ match = '/a', to = '/' }, { mach = '/a', to = '/' }]",
        "redirect[2].mach",
        "did you mean 'match'",
    ),
    "no target in a list": ("redirect = [{ match = '/a' }]", "redirect[1]", "needs the key to"),
    "no table in a list": ("redirect = ['/a']", "redirect[1]", "expected a table"),
    "an empty list": ("redirect = []", "redirect", "is an empty list"),
    "no table": ("redirect = '/a'", "redirect", "expected a table with to, match, status or a list of such tables"),
    "what comes too late": (
        "redirect = [{ to = '/b' }, { match = '/a', to = '/' }]",
        "redirect[2]",
        "redirect[1] answers everything here: put that one last",
    ),
    "a pattern twice": (
        "redirect = [{ match = '/a', to = '/b' }, { match = '/a', to = '/c' }]",
        "redirect[2].match",
        "is that of redirect[1] already",
    ),
    "a page": ("answer = { status = 20, meta = 'text/plain' }", "answer.status", "serve one, with root"),
    "a redirect": ("answer = { status = 30, meta = '/' }", "answer.status", "redirect = { to = ..., status = 30 }"),
    "no status": ("answer = { status = 99 }", "answer.status", "expected one of 10, 11, 40"),
    "no number": ("answer = { status = '51' }", "answer.status", "a whole number"),
    "nothing": ("answer = {}", "answer", "needs the key status"),
    "two lines": ("answer = { status = 51, meta = \"a\\r\\n20 b\" }", "answer.meta", "one line of text"),
    "a blank": ("answer = { status = 51, meta = ' a' }", "answer.meta", "without a blank"),
    "a long text": (f"answer = {{ status = 51, meta = '{'é' * 513}' }}", "answer.meta", "at most 1024 bytes"),
    "no seconds": ("answer = { status = 44, meta = 'soon' }", "answer.meta", "seconds to wait"),
    "seconds that are not said": ("answer = { status = 44 }", "answer.meta", "seconds to wait"),
    "other digits": ("answer = { status = 44, meta = '٣' }", "answer.meta", "seconds to wait"),
    "a prompt for nothing": ("answer = { status = 10 }", "answer.meta", "say what for"),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "key", "text"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_say_what_to_change(keys, key, text):
    problems = problems_of(HOST + keys + "\n")
    assert set(problems) == {f"host[1].{key}"}
    assert text in problems[f"host[1].{key}"]


def test_a_pattern_has_to_match_below_its_location():
    location = "[[host.location]]\npath = '/a/'\nredirect = {{ match = '{}', to = '/' }}\n"
    assert problems_of(HOST + location.format("/b/c")) == {
        "host[1].location[1].redirect.match": 'matches nothing below the location\'s path: begin it with "/a/"'
    }
    for match in ("/a", "/a/b", "/{}/b", "/{...}"):
        first(HOST + location.format(match))


def test_what_is_in_order():
    assert first(HOST + "answer = { status = 44, meta = '60' }\n").answer == FixedAnswer(status=44, meta="60")
    assert first(HOST + "answer = { status = 62 }\n").answer == FixedAnswer(status=62)
    several = "redirect = [{ match = '/a', to = '/b', status = 30 }, { to = 'gemini://g/' }]\n"
    expected = (Redirect(match="/a", to="/b", status=30), Redirect(to="gemini://g/"))
    assert first(HOST + several).redirect == expected
    for target in ("gemini://[2001:db8::1]/", "mailto:a@h", "?q", "../"):
        assert first(HOST + f"redirect = {{ to = '{target}' }}\n").redirect == Redirect(to=target)


def test_a_pattern_for_what_another_location_has_is_told():
    patterns = "redirect = [{ match = '/a/{b}', to = '/{b}' }, { match = '/{a}/c', to = '/{a}' }, { to = '/d' }]\n"
    config = parse(HOST + patterns + "[[host.location]]\npath = '/a/'\n[[host.location]]\npath = '/x/c'\n")
    problems = {problem.path: problem.text for problem in find_idle_patterns(config)}
    assert problems == {"host[1].redirect": '"/a/{b}" is for what is in /a/, a location of its own: move it there'}
    assert not any(find_idle_patterns(parse(HOST + patterns + "[[host.location]]\npath = '/a/'\nmatch = 'exact'\n")))
    own = "[[host.location]]\npath = '/a/'\nredirect = { match = '/a/{b}', to = '/{b}' }\n"
    assert not any(find_idle_patterns(parse(HOST + own)))
