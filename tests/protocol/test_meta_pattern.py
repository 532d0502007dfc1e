import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemd.protocol.meta_pattern import MAX_PATTERN, check_pattern, is_glob, translate_pattern

MATCHES = {
    "index.gmi": (["index.gmi"], ["Index.gmi", "index.gmi/a", "a/index.gmi", "indexxgmi"]),
    "*.gmi": (["a.gmi", "a.b.gmi"], [".gmi", ".a.gmi", "a/b.gmi", "a.gmi.txt"]),
    "a*b*c": (["abc", "aXbXc", "abcbc", "a b\nc"], ["ab", "ac", "ab/c"]),
    "?": (["a", "ü", "\n"], ["", ".", "ab", "/"]),
    ".?": ([".a"], ["aa"]),
    "[a-c]x": (["ax", "cx"], ["dx", "-x"]),
    "[!a-c]x": (["dx", "-x"], ["ax", ".x", "/x"]),
    "[]]": (["]"], ["[", ""]),
    "[a-]": (["a", "-"], ["b"]),
    "[c-a]": ([], ["a", "b", "c"]),
    "[!c-a]": (["b"], [""]),
    "[.]a": ([], [".a"]),
    "[*]": (["*"], ["a"]),
    "nl/*": (["nl/a"], ["nl/a/b", "nl/.a", "nl", "nl/"]),
    "nl/**": (["nl/a", "nl/a/b"], ["nl", "nl/.a/b", "nl/a/.b"]),
    "**": (["a", "a/b"], [".a", "a/.b"]),
    "**/*.gmi": (["a.gmi", "x/a.gmi", "x/y/a.gmi"], [".x/a.gmi", "x/.a.gmi", "x/.y/a.gmi"]),
    "**/.*": ([".a", "x/.a"], ["a", ".x/.a"]),
    "nl/**/*.gmi": (["nl/a.gmi", "nl/x/a.gmi"], ["a.gmi", "xnl/a.gmi", "nl/x/a.txt"]),
    "a/**/b/**/c": (["a/b/c", "a/x/b/y/z/c", "a/b/b/c"], ["a/c", "a/b", "a/b/cc"]),
    "a/**/**/b": (["a/b", "a/x/b"], ["a/xb"]),
    "a.b/c+": (["a.b/c+"], ["axb/cc"]),
}


def match(pattern, path):
    return re.fullmatch(translate_pattern(pattern), path, re.DOTALL) is not None


@pytest.mark.parametrize(("pattern", "paths"), MATCHES.items())
def test_matches_these_and_not_those(pattern, paths):
    check_pattern(pattern)
    assert [path for path in (*paths[0], *paths[1]) if match(pattern, path)] == paths[0]


def matches_slowly(pattern, path):
    """Wherever a star may end, it is tried."""
    names, segments = pattern.split("/"), path.split("/")
    if names[-1] == "**":
        names.append("*")

    @cache
    def match_names(at, depth):
        if at == len(names):
            return depth == len(segments)
        if names[at] == "**":
            is_here = depth < len(segments) and not segments[depth].startswith(".")
            return match_names(at + 1, depth) or (is_here and match_names(at, depth + 1))
        return depth < len(segments) and match_name(names[at], segments[depth]) and match_names(at + 1, depth + 1)

    @cache
    def match_rest(pattern, name):
        if not pattern:
            return not name
        if pattern[0] == "*":
            return match_rest(pattern[1:], name) or (name != "" and match_rest(pattern, name[1:]))
        return name != "" and pattern[0] in ("?", name[0]) and match_rest(pattern[1:], name[1:])

    def match_name(pattern, name):
        if pattern[0] in "*?" and name.startswith("."):
            return False
        return name != "" and match_rest(pattern, name)

    return match_names(0, 0)


NAMES = st.text("ab.*?", min_size=1, max_size=5).filter(lambda name: "**" not in name and name not in (".", ".."))
PATTERNS = st.lists(st.one_of(NAMES, st.just("**")), min_size=1, max_size=5).map("/".join)
PATHS = st.lists(st.text("ab.", min_size=1, max_size=5), min_size=1, max_size=5).map("/".join)


@settings(max_examples=500)
@given(PATTERNS, PATHS)
def test_agrees_with_who_tries_everything(pattern, path):
    check_pattern(pattern)
    assert match(pattern, path) == matches_slowly(pattern, path)


@given(st.text(max_size=30))
def test_whatever_is_a_pattern_can_be_translated(pattern):
    try:
        check_pattern(pattern)
    except ValueError:
        return
    re.compile(translate_pattern(pattern))
    if not is_glob(pattern):
        assert match(pattern, pattern)


WRONG = ["", "/a", "a//b", "../a", "a/./b", "**a", "a**", "***", "[a", "a/[!", "x" * (MAX_PATTERN + 1)]


@pytest.mark.parametrize("pattern", WRONG)
def test_what_is_none_is_told(pattern):
    with pytest.raises(ValueError, match=r"expected|\*\*|bracket"):
        check_pattern(pattern)
