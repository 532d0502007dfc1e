"""Each check of requests fails where the server is wrong in that alone, and passes where it is right."""

import pytest

from gemd.gemctl.check.request_probes import PROBES

from .conftest import CONFUSED, PAGES

NAMES = [one.rule.name for one in PROBES]
MISSING = "gemctl-check-finds-nothing-here"


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_right(said_by, name):
    assert said_by(PROBES, name) == (None, "")


def answer_for(part, answer=CONFUSED):
    return {"wrong": lambda line: answer if part in line else None}


def start_page(answer):
    return {"pages": {"/": answer}}


WRONG = {
    "start-page": (start_page(b"51 Not found\r\n"), 'gemini://localhost:{port}/ got "51 Not found"'),
    "header": (start_page(b"20\r\n# A page\n"), 'the text behind the status is none: "20"'),
    "missing-page": (answer_for(MISSING.encode(), b"40 Later\r\n"), f'/{MISSING} got "40 Later"'),
    "no-slash": ({"wrong": lambda line: b"31 /\r\n" if line.count(b"/") == 2 else None},
                 'it got "31 /", and the plain one "20 text/gemini"'),
    "longest-url": ({"wrong": lambda line: b"59 Too long\r\n" if len(line) > 1000 else None}, 'it got "59 Too long"'),
    "too-long-url": (answer_for(b"x" * 900, b"51 Not found\r\n"), 'it got "51 Not found"'),
    "other-scheme": (answer_for(b"https:"), 'it got "20 text/gemini"'),
    "other-host": (answer_for(b".invalid"), 'it got "20 text/gemini"'),
    "other-port": (answer_for(b"", CONFUSED), 'it got "20 text/gemini"'),
    "user-information": (answer_for(b"@"), 'it got "20 text/gemini"'),
    "fragment": (answer_for(b"#"), 'it got "20 text/gemini"'),
    "no-scheme": ({"wrong": lambda line: CONFUSED if line.startswith(b"//") else None}, 'it got "20 text/gemini"'),
    "path-alone": ({"wrong": lambda line: CONFUSED if line == b"/" else None}, 'it got "20 text/gemini"'),
    "empty-line": ({"wrong": lambda line: CONFUSED if not line else None}, 'it got "20 text/gemini"'),
    "blank": (answer_for(b" "), 'it got "20 text/gemini"'),
    "not-utf-8": (answer_for(b"\xff"), 'it got "20 text/gemini"'),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_server_that_is_wrong(checked, outcome_of, name):
    changes, found = WRONG[name]
    server = checked(**changes)
    outcome = outcome_of(PROBES, name, server.visitor())
    assert (outcome.kind, outcome.text) == ("fault", found.format(port=server.port))


def test_a_port_that_is_not_understood(checked, outcome_of):
    """On the usual port, of which the plain URL says nothing."""
    server = checked(wrong=lambda line: b"53 No\r\n" if b":1965" in line else PAGES["/"])
    outcome = outcome_of(PROBES, "explicit-port", server.visitor(port=1965))
    assert (outcome.kind, outcome.text) == ("fault", 'it got "53 No", and the plain one "20 text/gemini"')


def test_what_follows_the_request_is_taken_for_it(said_by):
    answers = iter([None, b"59 Two lines\r\n"])
    kind, found = said_by(PROBES, "trailing-octets", wrong=lambda line: next(answers))
    assert (kind, found) == ("fault", 'it got "59 Two lines", and the plain one "20 text/gemini"')


def test_each_is_seen_failing():
    assert set(NAMES) - set(WRONG) == {"explicit-port", "trailing-octets"}


@pytest.mark.parametrize(
    ("answer", "found"),
    {
        b"10 Your name?\r\n": 'gemini://localhost:{port}/ got "10 Your name?"',
        b"30 /a/\r\n": 'gemini://localhost:{port}/ got "30 /a/"',
        b"60 Who?\r\n": 'gemini://localhost:{port}/ got "60 Who?"',
    }.items(),
)
def test_a_start_page_that_is_none(checked, outcome_of, answer, found):
    server = checked(pages={"/": answer})
    outcome = outcome_of(PROBES, "start-page", server.visitor())
    assert (outcome.kind, outcome.text) == ("note", found.format(port=server.port))


HEADERS = {
    b"29 text/gemini\r\n": "the status 29 is not defined",
    b"20 text/gemini\x1b[2J\r\n": 'the text behind the status is none: "20 text/gemini\\x1b[2J"',
    b"20  text/gemini\r\n": 'the text behind the status is none: "20 text/gemini"',
    b"20 gemtext\r\n": 'what is behind the status is no media type: "20 gemtext"',
    b"20 text/plain" + b"x" * 2000 + b"\r\n": "the start page got no Gemini header, but ",
    b"20\ttext/gemini\r\n": "the start page got no Gemini header, but ",
    b"HTTP/1.1 200 OK\r\n": 'the start page got no Gemini header, but "HTTP/1.1 200 OK "',
    b"20 text/gemini": 'the start page got no Gemini header, but "20 text/gemini"',
    b"": "the start page got no answer, and an end of the connection",
}


@pytest.mark.parametrize("answer", HEADERS)
def test_a_header_that_is_none(said_by, answer):
    kind, found = said_by(PROBES, "header", pages={"/": answer})
    assert (kind, found[: len(HEADERS[answer])]) == ("fault", HEADERS[answer])


def test_all_that_is_missing_is_there(said_by):
    kind, found = said_by(PROBES, "missing-page", **answer_for(MISSING.encode()))
    assert (kind, found) == ("note", f'/{MISSING} got "20 text/gemini": nobody is told of a link that is dead')


@pytest.mark.parametrize("status", [60, 61, 62])
def test_nobody_may_see_what_is_missing(said_by, status):
    kind, found = said_by(PROBES, "missing-page", **answer_for(MISSING.encode(), b"%d No\r\n" % status))
    assert (kind, found) == (
        "skipped",
        f'/{MISSING} got "{status} No": who shows no certificate is told nothing else',
    )


@pytest.mark.parametrize("status", [10, 11])
def test_a_prompt_for_all_that_is_missing(said_by, status):
    kind, found = said_by(PROBES, "missing-page", **answer_for(MISSING.encode(), b"%d Name?\r\n" % status))
    assert (kind, found) == ("note", f'/{MISSING} got "{status} Name?": nobody is told of a link that is dead')


def test_what_follows_the_request_may_be_too_soon(said_by):
    answers = iter([None, b"44 0\r\n", None])
    assert said_by(PROBES, "trailing-octets", wrong=lambda line: next(answers)) == (None, "")


def test_octets_that_are_not_utf_8_may_be_dropped(said_by):
    assert said_by(PROBES, "not-utf-8", wrong=lambda line: b"" if b"\xff" in line else None) == (None, "")


def test_a_refusal_by_another_status(said_by):
    kind, found = said_by(PROBES, "other-scheme", **answer_for(b"https:", b"59 No such scheme\r\n"))
    assert (kind, found) == ("note", 'it got "59 No such scheme", which refuses it as well')


def test_no_query_is_ever_sent(checked):
    server = checked()
    for one in PROBES:
        one.run(server.visitor())
    assert not [request for request in server.requests if b"?" in request]
