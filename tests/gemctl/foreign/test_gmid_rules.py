"""Which options hold where, as gmid finds them."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.placement import Placement
from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.gmid_grammar import parse_gmid
from gemd.gemctl.foreign.gmid_rules import (
    FastCGI,
    find_effective,
    find_placement,
    find_possible,
    place_locations,
    read_options,
)
from gemd.protocol.url import split_path


def server(text):
    (found,) = parse_gmid(f"server a {{\n{text}\n}}", "gmid.conf")
    return found.inner


def values(text):
    return {key: option.value for key, option in read_options(server(text)).items()}


def test_options():
    text = 'auto index on log off index "a" lang it default type "t/x" root "/r" strip 2 require client ca "/c"'
    assert values(text) == {
        "listing": True, "log": False, "index": "a", "lang": "it", "default": "t/x", "root": "/r", "strip": 2,
        "require": "/c",
    }  # fmt: skip
    assert values("lang it lang en")["lang"] == "en"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('fastcgi "/s"', FastCGI("unix:/s")),
        ("fastcgi tcp localhost", FastCGI("localhost:9000")),
        ('fastcgi { socket tcp "::1" port 9001; strip 2; param "A" = "b" }', FastCGI("[::1]:9001", {"A": "b"}, 2)),
        ('fastcgi socket "/s"\nfastcgi param "A" = "b"\nparam "C" = "d"', FastCGI("unix:/s", {"C": "d", "A": "b"})),
        ("fastcgi off", "off"),
        ('fastcgi spawn "/bin/x"', None),
    ],
)
def test_applications(text, found):
    assert values(text)["fastcgi"] == found


@pytest.mark.parametrize("text", ["block return 20 x", "block return 70 x", "block return 31"])
def test_what_is_blocked_by_no_status(text):
    with pytest.raises(Failure, match=r"gmid\.conf:2: expected a status"):
        values(text)


@pytest.mark.parametrize(
    ("pattern", "names", "match"),
    [
        ("/*", (), "prefix"),
        ("/a/*", ("a",), "prefix"),
        ("/a/b/**", ("a", "b"), "prefix"),
        ("/a*", ("a*",), "glob"),
        ("/a", ("a",), "exact"),
        ("/", (), "exact"),
    ],
)
def test_patterns(pattern, names, match):
    assert find_placement(pattern) == Placement(names, match)


@pytest.mark.parametrize("pattern", ["/*.gmi", "/a/*/b", "/[ab]", "/a\\b", "/a/../b", "/a/?", "/a?/*", "/?/**"])
def test_patterns_that_are_no_locations(pattern):
    with pytest.raises(ValueError, match=r"location|here"):
        find_placement(pattern)


@given(st.text("ab/*?", max_size=6), st.text("ab/", max_size=6))
def test_a_location_has_what_the_pattern_matches(pattern, path):
    try:
        place = find_placement(f"/{pattern}")
    except ValueError:
        return
    if "//" not in pattern + path and fnmatchcase(path, pattern):
        assert place.has(split_path(f"/{path}"))


def test_the_first_one_decides_by_option():
    inner = server(
        'lang en\nlocation "/a/*" { lang it }\nlocation "/a/b/*" { lang de; index "b" }\nlocation "*" { log off }'
    )
    rules = place_locations(inner)
    assert not any(rule.reason for rule in rules)
    found = find_effective(Placement(("a", "b")), rules, read_options(inner))
    assert {key: option.value for key, option in found.items()} == {"lang": "it", "index": "b", "log": False}


@pytest.mark.parametrize(
    ("pattern", "above"),
    [("/a/b*.gmi", ("a",)), ("*.gmi", ()), ("/a/[x]/b", ("a",)), ("/../a*b", ()), ("/a/b?", ("a",))],
)
def test_what_has_no_place(pattern, above):
    (rule,) = place_locations(server(f'location "{pattern}" {{ lang it }}'))
    assert (rule.placement, rule.options["lang"].value) == (Placement(above), "it")
    assert rule.reason


def test_what_a_pattern_that_has_no_place_may_match():
    inner = server("""location "/a/*.gmi" { lang it }
        location "/a/*" { lang en }
        location "/a/*" { lang de }
        location "/a/?" { lang fr }
    """)
    rules = place_locations(inner)
    found = {
        place: [option.value for option in find_possible("lang", place, rules)]
        for place in (Placement(("a",)), Placement(("a", "b")), Placement(("b",)), Placement(("a", "x.gmi"), "exact"))
    }
    # ... before a location that is for all of it, and what is exact is told.
    assert list(found.values()) == [["it"], ["it"], [], ["it"]]
    assert not find_possible("lang", Placement(("a", "x"), "exact"), rules)
