"""Locations with wildcards: what they have to say, and what looks like one."""

import pytest

from gemd.config.glob_checks import find_plain_stars

from .reading import HOST, parse, problems_of


def at(path, keys="", match=None):
    return f"[[host.location]]\npath = '{path}'\n{keys}\n" + (f"match = '{match}'\n" if match else "")


ANY = "client-certificate = 'any'"
MISTAKES = {
    "no wildcard": (at("/a", match="glob"), "match", "needs a * or ?"),
    "several names": (at("/a/**", match="glob"), "path", "stands for one name"),
    "another word": (at("/a", match="regex"), "match", 'expected "prefix" or "exact" or "glob"'),
    "twice": (at("/b/*", match="glob") + at("/b/*/", match="glob"), None, "listed twice"),
}


@pytest.mark.parametrize(("text", "key", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_say_what_to_change(text, key, said):
    (path, problem), *others = problems_of(HOST + text).items()
    assert not others
    assert path == ("host[1].location[2].path" if key is None else f"host[1].location[1].{key}")
    assert said in problem


def test_equal_paths_may_be_compared_in_different_ways():
    locations = parse(HOST + at("/a*") + at("/a*", match="exact") + at("/a*", match="glob")).hosts[0].locations
    assert [location.match for location in locations] == ["prefix", "prefix", "exact", "glob"]


def certificates_of(*tables, host=HOST):
    return {location.path: location.client_certificate for location in parse(host + "".join(tables)).hosts[0].locations}


def test_what_protects_is_inherited_by_and_from_wildcards():
    found = certificates_of(
        at("/*/private", ANY, "glob"),
        at("/ann/private"),
        at("/bob/private/deep", match="exact"),
        at("/carl/private/x*", match="glob"),
        at("/dan/"),
        at("/*/private/open", "client-certificate = 'none'", "glob"),
        at("/eve/private/open"),
    )
    open_ones = {path for path, rule in found.items() if rule == "none"}
    assert open_ones == {"/", "/dan/", "/*/private/open", "/eve/private/open"}


def test_what_an_exact_one_says_is_for_it_alone():
    found = certificates_of(at("/a", ANY, "exact"), at("/a/b"), at("/c/", ANY), at("/c", "lang = 'en'", "exact"))
    assert {path for path, rule in found.items() if rule == "any"} == {"/a", "/c/", "/c"}
    front = at("/", "client-certificate = 'none'", "exact")
    locations = parse(HOST + ANY + "\n" + front + at("/a")).hosts[0].locations
    assert [location.client_certificate for location in locations] == ["any", "none", "any"]


UNSAID = {
    "a certificate": (at("/members/", ANY), "client-certificate"),
    "a network": (at("/members/", "access = { allow = ['192.0.2.0/24'] }"), "access"),
    "uploads": (at("/members/", "titan = { public = true }"), "titan"),
    "a rate": (at("/members/", "rate = '1/s'"), "rate"),
    "dot-files": (at("/members/", "dot-files = false"), "dot-files"),
    "scripts": (at("/members/", "cgi-user = 'nobody'"), "cgi-user"),
}


@pytest.mark.parametrize(("above", "key"), UNSAID.values(), ids=UNSAID)
def test_what_protects_some_of_what_is_matched_has_to_be_said(above, key):
    text = "/members/ has another one, and is above some of what this matches: say which one holds"
    assert problems_of(HOST + above + at("/*/x", match="glob")) == {f"host[1].location[2].{key}": text}


def test_what_is_said_or_alike_is_in_order():
    parse(HOST + at("/members/", ANY) + at("/*/x", ANY, "glob"))
    parse(HOST + at("/members/", ANY) + at("/*/x", "client-certificate = 'none'", "glob"))
    parse(HOST + ANY + "\n" + at("/members/", ANY) + at("/*/x", match="glob"))
    parse(HOST + at("/members/", ANY) + at("/m*", match="glob"))
    parse(HOST + at("/members/", ANY) + at("/a*/x", match="glob"))


def test_of_two_that_overlap_each_has_to_say_what_the_other_one_does():
    problems = problems_of(HOST + at("/a*/x", match="glob") + at("/*b/x", ANY, "glob"))
    assert set(problems) == {"host[1].location[1].client-certificate"}


def test_a_star_that_stands_for_itself_is_told():
    config = parse(HOST + at("/a*") + at("/b*", match="exact") + at("/c*", match="glob") + at("/d?"))
    problems = {problem.path: problem.text for problem in find_plain_stars(config)}
    assert set(problems) == {"host[1].location[1].path", "host[1].location[2].path"}
    assert 'set match = "glob"; it is "/a*"' in problems["host[1].location[1].path"]
