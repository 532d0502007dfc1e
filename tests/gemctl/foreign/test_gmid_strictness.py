"""What is seen of a server of gmid's, by gmid's own rule and by what it becomes."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.placement import Placement
from gemd.gemctl.foreign.gmid_grammar import parse_gmid
from gemd.gemctl.foreign.gmid_rules import place_locations, read_options
from gemd.gemctl.foreign.gmid_strictness import find_strictest, is_application, keeps_out
from gemd.protocol.url import split_path
from gemd.responders.location_finder import build_finder

CA, OTHER_CA = 'require client ca "/ca1"', 'require client ca "/ca2"'
BLOCK, REDIRECT = 'block return 51 "no"', 'block return 31 "/new"'
APP, OTHER_APP = 'fastcgi "/s1"', 'fastcgi "/s2"'


def parse(text):
    (server,) = parse_gmid(f"server a {{\n{text}\n}}", "gmid.conf")
    return place_locations(server.inner), read_options(server.inner)


def strictest(text):
    """What holds in the host itself, where a pattern that can't be told is in it, and whether all is refused."""
    found, doubt = find_strictest(Placement(()), *parse(text))
    return found, doubt is not None


@pytest.mark.parametrize(
    ("inside", "outside", "key", "is_refused"),
    [
        (CA, "", "require", False),
        (CA, CA, "require", False),
        (CA, OTHER_CA, "require", True),
        (BLOCK, "", "block", False),
        (BLOCK, REDIRECT, "block", False),
        (REDIRECT, "", None, False),
        (APP, "", None, True),
        (APP, "fastcgi off", "fastcgi", True),
        (APP, OTHER_APP, "fastcgi", False),
        ("fastcgi off", APP, "fastcgi", False),
        ("fastcgi spawn x", "", None, True),
        (APP, BLOCK, "block", False),
        ("auto index off", "auto index on", "listing", False),
    ],
)
def test_what_may_hold(inside, outside, key, is_refused):
    found, refused = strictest(f'location "*.x" {{ {inside} }}\n{outside}')
    assert (key is None or key in found, refused) == (True, is_refused)
    assert "listing" not in found or found["listing"].value is False
    assert "block" not in found or keeps_out(found["block"])


OPTIONS = st.lists(
    st.sampled_from([CA, OTHER_CA, BLOCK, REDIRECT, APP, "fastcgi off", "auto index on", "auto index off"]), max_size=2
).map(" ".join)
PATTERNS = st.lists(st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "?", "[ab]"]), min_size=1, max_size=3).flatmap(
    lambda names: st.sampled_from(["/*", "*", "", "/"]).map(lambda end: f"/{'/'.join(names)}{end}")
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=4).map(lambda names: "/" + "/".join(names))


@given(OPTIONS, st.lists(st.tuples(PATTERNS, OPTIONS), max_size=3), PATHS)
def test_nobody_sees_more_than_before(outside, locations, path):
    text = "\n".join(f'location "{pattern}" {{ {inner} }}' for pattern, inner in locations)
    rules, options = parse(f"{outside}\n{text}")

    def ask_gmid(key, path):
        for rule in rules:
            if key in rule.options and fnmatchcase(path[1:], rule.statement.values[0][1:]):
                return rule.options[key]
        return options.get(key)

    known = {key: ask_gmid(key, path) for key in ("require", "block", "fastcgi", "listing")}
    if any(ask_gmid(key, f"{path}/") is not known[key] for key in known):
        return  # a location for what is below /x/ is for /x too
    places = dict.fromkeys([Placement(()), *(rule.placement for rule in rules)])
    here = build_finder([(place, place) for place in places])(split_path(path))
    found, doubt = find_strictest(here, rules, options)
    if doubt is not None or ("block" in found and keeps_out(found["block"])):
        return
    assert known["block"] is None or not keeps_out(known["block"])
    if known["require"] is not None:
        assert found["require"].value == known["require"].value
    if known["fastcgi"] is not None and is_application(known["fastcgi"]) and known["block"] is None:
        assert is_application(found["fastcgi"])
    if "listing" in found and found["listing"].value:
        assert known["listing"].value
