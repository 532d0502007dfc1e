"""Whose rules hold for what is found, by what it is and by the names that lead to it."""

import pytest

from gemd.config.host_settings import Location
from gemd.responders.location_rules import Trail, look_up_rules, protect_differently

FILES = {"/r": 1, "/r/a": 2, "/r/a/b": 3, "/r/a/b/index.gmi": 4, "/r/a/b/page": 5, "/r/A": 6, "/r/c": 7, "/r/a/x": 8}
ROOT = Location(path="/", root="/r")


def identify(*names):
    return FILES.get("/".join(names).rstrip("/"), 0 if names == ("/",) else None)


def find(path, *locations, asked=None, **keys):
    """The locations, by what they are called, that decide about what is at this path; and those in doubt."""
    locations = [ROOT, *locations]
    rules = look_up_rules([(location, None) for location in locations], ["/r"], identify)
    names = path.split("/")[2:]
    way = [FILES["/r" + "".join(f"/{name}" for name in names[:depth])] for depth in range(len(names) + 1)]
    found = rules.find(rules.trace(way, names, "/r"), asked or ROOT, **keys)
    return found.depth, [each.lang for each, _ in found.rules], [each.lang for each, _ in found.doubtful]


def at(path, lang, match="prefix", **keys):
    return Location(**{"path": path, "root": "/r", "lang": lang, "match": match, **keys})


A, B = at("/a", "a"), at("/a/b", "b")
EXACT, STAR, DEEP = at("/a/b", "exact", "exact"), at("/*/b", "star", "glob"), at("/a/*/p*", "deep", "glob")
FOUND = {
    "a prefix": ("/r/a/x", [A, B], (1, ["a"], [])),
    "the nearest one": ("/r/a/b/page", [A, B], (2, ["b"], [])),
    "the root's": ("/r/c", [A, B], (0, [None], [])),
    "an exact one": ("/r/a/b", [A, EXACT], (2, ["exact"], [])),
    "an exact one before a prefix": ("/r/a/b", [B, EXACT], (2, ["exact"], [])),
    "what is below an exact one": ("/r/a/b/page", [A, EXACT], (1, ["a"], [])),
    "the page of an exact one": ("/r/a/b/index.gmi", [A, EXACT], (1, ["a"], ["exact"])),
    "a glob": ("/r/a/b", [STAR], (2, ["star"], [])),
    "below a glob": ("/r/a/b/page", [STAR], (2, ["star"], [])),
    "a prefix before a glob": ("/r/a/b/page", [STAR, B], (2, ["b"], [])),
    "a glob that is nearer": ("/r/a/b/page", [B, DEEP], (3, ["deep"], [])),
    "not what a glob is about": ("/r/a/x", [STAR], (0, [None], [])),
    "the best of two globs": ("/r/a/b", [STAR, at("/a*/b", "more", "glob")], (2, ["more"], [])),
    "case": ("/r/A", [at("/a*", "folded", "glob")], (0, [None], ["folded"])),
}


@pytest.mark.parametrize(("path", "locations", "expected"), FOUND.values(), ids=FOUND)
def test_the_nearest_decides(path, locations, expected):
    assert find(path, *locations) == expected


def test_who_is_asked_has_its_own_page():
    assert find("/r/a/b/index.gmi", A, EXACT, asked=EXACT) == (2, ["exact"], [])
    assert find("/r/a/b/index.gmi", A, B, EXACT, asked=EXACT) == (2, ["exact"], [])
    assert find("/r/a/b/index.gmi", A, EXACT, at("/a/b/index.gmi", "page"), asked=EXACT) == (3, ["page"], [])


def test_where_a_link_is_an_exact_one_counts_for_itself_alone():
    assert find("/r/a/b", A, EXACT, is_link=True) == (1, ["a"], [])
    assert find("/r/a/b", A, EXACT, is_link=True, asked=EXACT) == (2, ["exact"], [])
    assert find("/r/a/b", STAR, is_link=True) == (2, ["star"], [])


def test_a_root_within_what_a_glob_matches(monkeypatch):
    """It begins where the glob ends; as with prefixes, what lies deeper is another directory, for who sets it."""
    monkeypatch.setattr("os.path.realpath", lambda path: path)

    def find_below(root, *locations):
        rules = look_up_rules([(location, None) for location in locations], ["/r", "/r/a", "/r/a/b"], identify)
        found = rules.find(rules.trace([FILES[root], 5], ["page"], root), ROOT)
        return found.depth, [each.lang for each, _ in found.rules]

    mounted = at("/m", "mounted", root="/r/a/b", mount=("m",))
    assert find_below("/r/a/b", ROOT, STAR) == (0, ["star"])
    assert find_below("/r/a/b", ROOT, STAR, mounted) == (0, ["mounted"])
    assert find_below("/r/a/b", at("/*", "above", "glob")) == (0, [])
    assert find_below("/r/a/b", at("/*/b/p*", "deeper", "glob")) == (1, ["deeper"])


def test_where_nobody_has_another_word_there_is_nothing_to_look_at():
    rules = look_up_rules([(ROOT, None), (A, None)], ["/r"], identify)
    assert not rules.exact
    assert not rules.globs
    assert not rules.above


def test_a_location_that_leads_nowhere_has_no_rules():
    rules = look_up_rules([(at("/none", "n"), None), (at("/none/*", "g", "glob"), None)], ["/r"], identify)
    assert (rules.prefixes, rules.exact, rules.globs) == ({}, {}, {})


def test_the_locations_of_an_entry():
    rules = look_up_rules([(each, None) for each in (ROOT, A, B, EXACT, STAR)], ["/r"], identify)

    def find_entry(way, names, url_names):
        return [each.lang for each in rules.find_entry(rules.trace(way, names, "/r"), url_names, ROOT)]

    assert find_entry([1, 2, 3], ["a", "b"], ("a", "b")) == ["b", "exact"]
    assert find_entry([3], ["link"], ("link",)) == ["exact"]
    assert find_entry([99], ["b"], ("c", "b")) == ["star"]
    assert find_entry([1, 5, 99], ["c", "b"], ("mirror", "c", "b")) == ["star"]
    assert find_entry([1, 5, 99], ["c", "d"], ("mirror", "c", "d")) == []


def test_of_several_with_wildcards_the_entry_is_that_ones_that_decides():
    narrow = at("/c*/b", "narrow", "glob")
    rules = look_up_rules([(each, None) for each in (ROOT, narrow, STAR)], ["/r"], identify)
    entry = rules.trace([1, 5, 99], ["c", "b"], "/r")
    for names in (("c", "b"), ("mirror", "c", "b")):
        assert {each.lang for each in rules.find_entry(entry, names, ROOT)} == {"narrow"}


def test_the_page_of_an_exact_one_may_lie_deeper():
    exact = at("/a", "exact", "exact", index=("pages/front.gmi",))
    rules = look_up_rules([(each, None) for each in (ROOT, exact)], ["/r"], identify)

    def find_doubtful(*names):
        trail = rules.trace([1, 2, 7, 8][: len(names) + 1], names, "/r")
        return [each.lang for each, _ in rules.find(trail, ROOT).doubtful]

    assert find_doubtful("a", "pages", "front.gmi") == ["exact"]
    assert find_doubtful("a", "Pages", "Front.gmi") == ["exact"]
    assert find_doubtful("a", "pages", "other.gmi") == []
    assert find_doubtful("a", "front.gmi") == []
    deep = rules.trace([1, 2, 7, 8], ["a", "pages", "front.gmi"], "/r")
    assert [each.lang for each, _ in rules.find(deep, exact).rules] == ["exact"]


def test_a_longer_name_that_is_tried_is_its_locations(monkeypatch):
    monkeypatch.setattr("os.path.realpath", lambda path: path)
    monkeypatch.setitem(FILES, "/r/a/y.gmi", 9)
    exact = at("/a/y", "exact", "exact", extensions=".gmi")
    glob = at("/*/y", "glob", "glob", extensions=(".txt", ".gmi"))
    assert find("/r/a/y.gmi", exact) == (2, ["exact"], [])
    assert find("/r/a/y.gmi", glob) == (0, [None], ["glob"])
    assert find("/r/a/y.gmi", glob, asked=glob) == (2, ["glob"], [])


def test_a_trail_that_is_looked_at_in_two_parts():
    """As for what is in a user's directory, and for that itself."""
    before, inside = Trail([0, 1, 2, 3], ["r", "a", "b"]).split(2)
    assert (before.way, before.names) == ([0, 1], ["r"])
    assert (inside.way, inside.names, inside.directories, inside.above) == ([2, 3], ["b"], (0, 1), ("r", "a"))
    rules = look_up_rules([(STAR, None)], [], identify)
    assert [rule[0].lang for rule in rules.find(inside, ROOT).rules] == ["star"]
    assert rules.find(before, ROOT).rules == ()


def test_what_protects_may_be_the_same_everywhere():
    listed = at("/listed", "de", listing=False)
    assert not protect_differently([ROOT, A, Location(path="/app", listing=False)])
    assert protect_differently([ROOT, listed])
