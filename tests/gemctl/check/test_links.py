"""Links, and where they lead."""

import pytest

from gemd.gemctl.check.links import FoundLink, Way, find_links, follow_link, path_of

BASE, PLACE = "gemini://example.org/a/b.gmi", "example.org:1965"


def test_lines_that_are_links():
    text = "# Title\n=> one\n=>two label\n=>\tthree\tlabel\r\n => no\n=>\n```\n=> no\n```\n=>   four\n"
    assert list(find_links(text)) == [(2, "one"), (3, "two"), (4, "three"), (10, "four")]


def within(url):
    return FoundLink(Way.WITHIN, url, PLACE)


@pytest.mark.parametrize(
    ("reference", "expected"),
    {
        "c.gmi": within("gemini://example.org/a/c.gmi"),
        "/": within("gemini://example.org/"),
        "../..": within("gemini://example.org/"),
        "?q": within("gemini://example.org/a/b.gmi?q"),
        "c.gmi#part": within("gemini://example.org/a/c.gmi"),
        "gemini://EXAMPLE.org:1965": within("gemini://example.org/"),
        "gemini://example.org/é": within("gemini://example.org/%C3%A9"),
        "//example.org/x": within("gemini://example.org/x"),
        "gemini://example.org:1966/": FoundLink(Way.ELSEWHERE, "gemini://example.org:1966/", "example.org:1966"),
        "//example.net/": FoundLink(Way.ELSEWHERE, "gemini://example.net/", "example.net:1965"),
        "https://example.org/": FoundLink(Way.OUT, "https://example.org/"),
        "titan://example.org/a": FoundLink(Way.OUT, "titan://example.org/a"),
        "mailto:someone@example.org": FoundLink(Way.OUT, "mailto:someone@example.org"),
    }.items(),
)
def test_where_a_link_leads(reference, expected):
    assert follow_link(BASE, PLACE, reference) == expected


@pytest.mark.parametrize(
    ("reference", "fault"),
    {
        "gemini:///x": "The URL needs a host name",
        "gemini://x:99999/": "No such port",
        "gemini://someone@example.org/": "no user information",
        "gemini://example.org/../x": "climbs above the root",
        "x" * 1100: "a request has at most 1024",
        "\x1b[31m": "it is no URL",
    }.items(),
)
def test_a_link_that_is_none(reference, fault):
    link = follow_link(BASE, PLACE, reference)
    shown = reference if len(reference) <= 200 else f"{reference[:200]}..."
    assert (link.way, link.url, fault in link.fault) == (Way.NOWHERE, shown, True), link
    assert len(link.fault) < 200


@pytest.mark.parametrize("reference", ["/", "gemini://someone@example.org/", "//", "\x1b]0;", "gemini:"])
def test_of_one_that_fills_a_page_the_beginning_is_told(reference):
    link = follow_link(BASE, PLACE, reference + "x" * 1_000_000)
    assert (link.way, len(link.url)) == (Way.NOWHERE, 203)
    assert len(link.fault) < 200


def test_what_is_no_gemini_may_be_longer():
    reference = "data:text/plain," + "x" * 10_000
    assert follow_link(BASE, PLACE, reference) == FoundLink(Way.OUT, reference)


def test_paths():
    assert [path_of(f"gemini://a.org{path}") for path in ("/", "/a/b?c/d")] == ["/", "/a/b?c/d"]
