import time

import pytest

from gemd.config.script_places import (
    find_depth,
    fold_name,
    fold_pattern,
    has_wildcard,
    list_entries,
    match_name,
    parse_places,
    split_pattern,
)

NAMES = [
    ("a.py", "a.py", True),
    ("a.py", "b.py", False),
    ("a.py", "a.pyc", False),
    ("*.py", ".py", True),
    ("*.py", "a.b.py", True),
    ("*.py", "a.py.txt", False),
    ("*.py", "a.PY", False),
    ("?.py", "a.py", True),
    ("?.py", ".py", False),
    ("?.py", "ab.py", False),
    ("*", "", True),
    ("*", "anything at all", True),
    ("***", "x", True),
    ("a*b*c", "abbcbc", True),
    ("a*b*c", "abbcbd", False),
    ("a*", "ba", False),
    ("[ab].py", "a.py", False),
    ("[ab].py", "[ab].py", True),
    ("a\\*", "a\\b", True),
    ("\u00fc?", "\u00fc\u00e4", True),
    ("*\udcff", "x\udcff", True),
]


@pytest.mark.parametrize(("pattern", "name", "is_matched"), NAMES)
def test_matches_a_name(pattern, name, is_matched):
    assert match_name(pattern, name) is is_matched


PATHS = {
    "directory": ("cgi-bin", "cgi-bin/a/b", 1),
    "itself": ("cgi-bin", "cgi-bin", 1),
    "another": ("cgi-bin", "cgi-bin2/a", None),
    "deeper": ("a/cgi-bin", "a/cgi-bin/x", 2),
    "too short": ("a/cgi-bin", "a", None),
    "not below": ("cgi-bin", "a/cgi-bin", None),
    "file": ("tools/*.py", "tools/x.py", 2),
    "what follows it": ("tools/*.py", "tools/x.py/a/b.py", 2),
    "other file": ("tools/*.py", "tools/x.txt", None),
    "a star stays in its segment": ("tools/*.py", "tools/a/x.py", None),
    "directories": ("users/*/cgi-bin", "users/ann/cgi-bin/x", 3),
    "any depth": ("**/*.cgi", "a/b/c.cgi/d", 3),
    "any depth is none too": ("**/*.cgi", "c.cgi", 1),
    "any depth, the first": ("**/*.cgi", "a.cgi/b.cgi", 1),
    "any depth between": ("a/**/b", "a/x/y/b/z", 4),
    "none between": ("a/**/b", "a/b", 2),
    "not at all between": ("a/**/b", "a/x/y", None),
    "all": ("**", "a/b", 1),
    "all below": ("a/**", "a/b", 1),
    "twice": ("**/a/**/b", "x/a/y/a/b", 5),
    "nothing": ("a", "", None),
}


@pytest.mark.parametrize(("pattern", "path", "depth"), PATHS.values(), ids=PATHS)
def test_finds_how_much_of_a_path_a_pattern_matches(pattern, path, depth):
    assert find_depth(tuple(pattern.split("/")), tuple(filter(None, path.split("/")))) == depth


def test_the_first_of_all_entries_counts():
    places = parse_places(("a/*/c", "a/b", "x"))
    assert [places.find_depth(tuple(path.split("/"))) for path in ("a/b/c", "a/z/c", "x/y", "y")] == [2, 3, 1, None]


def test_reads_the_value_of_the_key():
    assert list_entries(None) == ()
    assert list_entries("cgi-bin") == ("cgi-bin",)
    assert parse_places("cgi-bin/").patterns == (("cgi-bin",),)
    assert parse_places(None).patterns == parse_places(()).patterns == ()
    places = parse_places((".", "tools//*.py"))
    assert (places.is_everywhere, places.patterns) == (True, (("tools", "*.py"),))


def test_splits_where_wildcards_begin():
    assert split_pattern(("a", "b")) == (("a", "b"), ())
    assert split_pattern(("a", "?", "b")) == (("a",), ("?", "b"))
    assert split_pattern(("**",)) == ((), ("**",))
    assert [has_wildcard(name) for name in ("a", "a*", "?", "[a]")] == [False, True, True, False]


@pytest.mark.timeout(20)
def test_no_pattern_runs_away():
    """A thousand times what a backtracking matcher could bear."""
    began = time.process_time()
    assert not match_name("a*" * 200 + "b", "a" * 1000)
    assert find_depth(("**", "*a") * 20 + ("b",), ("a",) * 500) is None
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", ["x.py", "X.PY", "x.p\u200by", "x.py.", "x.py ", "\uff58.py", "x\u0301.py"])
def test_names_that_a_file_system_may_take_for_one_another_are_folded_alike(name):
    assert fold_name(name) == "x.py"
    assert find_depth(fold_pattern(("*.PY",)), (fold_name(name),)) == 1
