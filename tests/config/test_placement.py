"""Which location a path is in, and which are above which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.placement import Placement, list_above, place_of


def place(text):
    """ "/a" for a prefix, "=/a" for one that is exact, "~/a*" for one with wildcards."""
    match = {"=": "exact", "~": "glob"}.get(text[0], "prefix")
    return place_of({"path": text.lstrip("=~"), "match": match})


IN = {
    "/": [("/", True), ("/a", True)],
    "/a": [("/a", True), ("/a/b", True), ("/ab", False), ("/", False)],
    "/a*": [("/a*", True), ("/ab", False)],
    "=/": [("/", True), ("/a", False)],
    "=/a": [("/a/", True), ("/a/b", False), ("/", False)],
    "=/a*": [("/a*", True), ("/ab", False)],
    "~/*/b": [("/a/b", True), ("/a/b/c", True), ("/a/c", False), ("/b", False), ("/a/x/b", False)],
    "~/a*/?": [("/a/b", True), ("/abc/d/e", True), ("/abc/de", False)],
}


@pytest.mark.parametrize(
    ("text", "path", "expected"), [(text, *row) for text, rows in IN.items() for row in rows], ids=str
)
def test_what_is_in_a_place(text, path, expected):
    assert place(text).has(place(path).names) is expected


# Whether the first is above all of the second, some of it, or none.
ABOVE = {
    ("/", "/a"): "all",
    ("/", "=/"): "all",
    ("/", "~/*"): "all",
    ("/a", "/a/b"): "all",
    ("/a", "=/a"): "all",
    ("=/a", "/a"): "none",
    ("=/a", "/a/b"): "none",
    ("=/a", "~/a/*"): "none",
    ("/a", "/a"): "none",
    ("/a", "/ab"): "none",
    ("/a/b", "/a"): "none",
    ("/a", "~/a/*"): "all",
    ("/a", "~/a*/b"): "some",
    ("/a", "~/*/b"): "some",
    ("/a", "~/b*/c"): "none",
    ("/a", "~/*"): "none",  # which it goes before
    ("~/*", "/a"): "all",
    ("~/*", "=/a"): "all",
    ("~/*", "/a/b"): "all",
    ("~/a*", "/b/c"): "none",
    ("~/*/b", "/a"): "none",
    ("~/*/b", "/a/b"): "all",
    ("~/*/b", "/a/b/c"): "all",
    ("~/*", "~/a*"): "all",
    ("~/a*", "~/*"): "some",
    ("~/a*", "~/*b"): "some",
    ("~/a*", "~/b*"): "none",
    ("~/*a", "~/*b"): "none",
    ("~/a*", "~/ab*/c"): "all",
    ("~/a?", "~/a*"): "some",
    ("~/a*", "~/a?b"): "all",
    ("~/a*/*", "~/a*/*/c"): "all",
    ("~/a", "~/*/b"): "some",
    ("/*", "~/*/b"): "some",  # a star that stands for itself
    ("/*", "/a/b"): "none",
}


@pytest.mark.parametrize(("pair", "expected"), ABOVE.items(), ids=str)
def test_what_is_above_what(pair, expected):
    above, below = map(place, pair)
    assert above.is_above(below) is (expected == "all")
    assert above.may_be_above(below) is (expected == "some")


def test_the_nearest_is_the_last():
    texts = ["/a/b", "~/*/b", "/", "/a", "~/*", "/c", "=/a/b/c", "~/a/*"]
    assert list_above(place("/a/b/c"), [(place(text), text) for text in texts]) == [
        *("/", "~/*", "/a", "~/*/b", "~/a/*", "/a/b"),
    ]


NAMES = st.lists(st.sampled_from(["a", "ab", "b", "*", "a*", "*b", "?"]), max_size=3)
PLACES = st.builds(
    lambda names, match: Placement(tuple(names), match), NAMES, st.sampled_from(["prefix", "exact", "glob"])
)
PATHS = st.lists(st.sampled_from(["a", "ab", "b", "aab", "x"]), max_size=3).map(tuple)


@given(PLACES, PLACES, PATHS)
def test_who_is_above_all_has_all_and_who_shares_a_path_is_known(one, other, path):
    if other.has(path) and one.is_above(other):
        assert one.has(path)
    if one.has(path) and other.has(path) and one != other:
        first, second = sorted((one, other), key=lambda each: (each.match == "exact", each.rank))
        assert first.match == "exact" or first.is_above(second) or first.may_be_above(second)
