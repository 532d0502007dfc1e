"""The locations that regular expressions become."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.placement import Placement
from gemd.gemctl.foreign.areas import find_areas, find_fixed_path
from gemd.gemctl.foreign.expressions import parse_expression
from gemd.protocol.url import split_path


@pytest.mark.parametrize(
    ("expression", "path", "match", "is_wider"),
    [
        ("^/zone/", "/zone/", "prefix", False),
        ("^/zone/.*$", "/zone/", "prefix", False),
        ("^/zone", "/zone*", "glob", False),
        ("^/zone$", "/zone", "exact", False),
        (r"^/zone/a\.gmi$", "/zone/a.gmi", "exact", False),
        ("^/", "/", "prefix", False),
        ("^/$", "/", "prefix", False),
        ("^/u/[^/]+/p/", "/u/*/p/", "glob", False),
        ("^/u/[^/]+$", "/u/*", "glob", True),
        ("^/u/.*/p/", "/u/", "prefix", True),
        ("/zone/", "/", "prefix", True),
        ("secret", "/", "prefix", True),
        (r"^/a\*b/", "/a*b/", "prefix", True),
    ],
)
def test_a_location(expression, path, match, is_wider):
    (area,) = find_areas(parse_expression(expression))
    assert (area.path, area.match, area.is_wider) == (path, match, is_wider)


@pytest.mark.parametrize(
    ("expression", "places"),
    [
        ("^/a.b/", ["/a?b/", "/a/b/"]),
        ("^/one.gmi$", ["/one?gmi", "/one/gmi"]),
        ("^/a.", ["/a?*", "/a/"]),
        ("^/a.b.c/", ["/a?b?c/", "/a?b/c/", "/a/b?c/", "/a/b/c/"]),
        ("^/x/a.b.c.d.e", ["/x/"]),
        ("a.b.c.d.e", ["/"]),
        ("a.b", ["/"]),
    ],
)
def test_a_dot_may_be_a_slash(expression, places):
    assert [area.path for area in find_areas(parse_expression(expression))] == places


@pytest.mark.parametrize("expression", ["^/zone/", "^/zone$", "^/zone", r"^/zone/a\.gmi$", "^/"])
def test_some_have_no_more_than_it(expression):
    (area,) = find_areas(parse_expression(expression))
    assert area.is_same


@pytest.mark.parametrize("expression", ["zone", "^/zone/.+", "^/z[a-z]+/", "^/z.*/a"])
def test_others_have(expression):
    (area,) = find_areas(parse_expression(expression))
    assert not area.is_same


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("^/a/b(c|d)/", "/a/"),
        ("^/a/(b|c)", "/a/"),
        ("^/a/|^/b/", "/"),
        (r"^/a/[|]\|", "/a/"),
        ("^/a/?x{2}", "/"),
        ("/a/(b|c)", "/"),
        ("^/a.b/(c|d)", "/"),
    ],
)
def test_the_directory_that_is_above_all(expression, path):
    assert find_fixed_path(expression) == path


PIECES = ["^", "$", "/", "a", "b", ".", ".*", "[^/]+", r"\d+", r"\.", "(a|b)", "|", "?", "*", "{2}", "(.*)", "zone"]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join), st.text("ab/.1z", max_size=9))
def test_no_location_is_smaller_than_what_it_stands_for(expression, rest):
    path = f"/{rest}"
    try:
        found = re.search(expression, path)
    except re.error:
        return
    try:
        areas = find_areas(parse_expression(expression))
        places = [Placement(split_path(area.path), area.match) for area in areas]
    except ValueError:
        places = [Placement(split_path(find_fixed_path(expression)))]
    if found:
        assert any(place.has(split_path(path)) for place in places)
