import pytest

from gemd.config.placement import place_of
from gemd.responders.location_finder import build_finder


def find_in(texts, path):
    """The one of these that a path is in: "=/a" is exact, "~/a*" has wildcards."""
    kinds = {"=": "exact", "~": "glob"}
    places = [(place_of({"path": text.lstrip("=~"), "match": kinds.get(text[0], "prefix")}), text) for text in texts]
    return build_finder(places)(place_of({"path": path}).names)


TEXTS = ["/", "/a", "/a/b/c", "=/a", "~/*", "~/*/b", "~/a*/b", "=/", "=/x/y", "~/*/*/c"]
FOUND = {
    "/": "=/",
    "/a": "=/a",
    "/a/": "=/a",
    "/a/x": "/a",  # before what has wildcards
    "/a/b": "~/a*/b",
    "/z/b/y": "~/*/b",
    "/a/b/c/d": "/a/b/c",
    "/z/b/c": "~/*/*/c",
    "/x/y": "=/x/y",
    "/x/y/z": "~/*",
}


@pytest.mark.parametrize(("path", "expected"), FOUND.items())
def test_who_decides(path, expected):
    assert find_in(TEXTS, path) == find_in(TEXTS[::-1], path) == expected


def test_prefixes_alone():
    for path, expected in {"/": "/", "/a/b": "/a", "/ab": "/", "/a/b/c": "/a/b/c"}.items():
        assert find_in(TEXTS[:3], path) == find_in(TEXTS[2::-1], path) == expected


def test_of_equals_the_first_decides():
    assert find_in(["/", "~/a*", "~/*b"], "/ab") == "~/a*"
    assert find_in(["/", "~/*b", "~/a*"], "/ab") == "~/*b"
