"""Redirects by patterns, among what else answers."""

import pytest

YEARS = {"match": "/old/{year}/{rest...}", "to": "/new/{year}/{rest}"}
PAGES = {"match": "/{page}.html", "to": "/{page}.gmi", "status": 30}


def test_what_matches_is_led_elsewhere(ask):
    answer = ask("/old/2020/a%20b/?q", redirect=YEARS)
    assert (answer.status, answer.meta) == (31, "/new/2020/a%20b/?q")


def test_what_does_not_match_is_served(ask):
    assert ask("/page.gmi", redirect=YEARS).body == b"page"
    assert ask("/old/", redirect=YEARS).status == 51


def test_the_first_of_several_counts(ask):
    several = [YEARS, PAGES, {"match": "/old/{}/{...}", "to": "/lost"}]
    assert ask("/old/1/2", redirect=several).meta == "/new/1/2"
    answer = ask("/page.html", redirect=several)
    assert (answer.status, answer.meta) == (30, "/page.gmi")
    assert ask("/page.gmi", redirect=several).status == 20


def test_one_without_a_pattern_has_what_is_left(ask):
    location = [{"path": "/old/", "redirect": [YEARS, {"to": "/archive/"}]}]
    assert ask("/old/2020/a", location=location).meta == "/new/2020/a"
    assert ask("/old/", location=location).meta == "/archive/"


def test_a_location_with_patterns_alone_has_its_hosts_answer(ask):
    location = [{"path": "/dir/", "redirect": {"match": "/dir/old", "to": "/dir/page.gmi"}}]
    assert ask("/dir/old", location=location).meta == "/dir/page.gmi"
    assert ask("/dir/page.gmi", location=location).body == b"deep"


def test_a_plain_one_beside_them_is_as_it_was(ask):
    location = [{"path": "/a/", "redirect": {"to": "/b/"}}, {"path": "/c/", "redirect": PAGES | {"match": "/c/{page}"}}]
    assert ask("/a/x/?q", location=location).meta == "/b/x/?q"
    assert ask("/c/x", location=location).meta == "/x.gmi"


@pytest.mark.parametrize(("length", "status"), [(1024, 31), (1025, 51)])
def test_a_target_that_gets_too_long_is_not_found(ask, length, status):
    to = "/" + "n" * (length - 504) + "/{year}/{rest}"
    assert ask("/old/1/" + "x" * 500, redirect=YEARS | {"to": to}).status == status
