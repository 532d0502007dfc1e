"""What is wrong with locations whose paths have wildcards, or look like it.

Rule: what protects is inherited from what is above; where that is so for some of the paths alone that a location
matches, it has to say itself what holds.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from gemd.config.host_settings import Location
from gemd.config.script_places import has_wildcard
from gemd.config.settings import Config
from gemd.config.tables import Problem, key_path, show

_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_NAMED = re.compile(r"\{[^{}/]*\}")


def find_unsaid(
    locations: Sequence[Location], said: Mapping[str, Collection[str]], keys: Sequence[str]
) -> Iterator[Problem]:
    """What of these keys a location with wildcards would have from above at some of its paths and not at others, and
    does not say itself; `said` has the keys of each location's own, by where it is."""
    for location in locations:
        above = [other for other in locations if other.place.may_be_above(location.place)]
        for key in [key for key in keys if key not in said.get(location.where, ())]:
            name = key.replace("-", "_")
            for other in above:
                if getattr(other, name) not in (None, getattr(location, name)):
                    text = f"{other.path} has another one, and is above some of what this matches: say which one holds"
                    yield Problem(key_path(location.where, key), text)
                    break


def judge_glob(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with the names of a location with wildcards, by key."""
    if not any(map(has_wildcard, names)):
        yield "match", 'a glob needs a * or ? in its path: without one, leave out match, or set "exact"'
    if "**" in names:
        yield "path", "a * stands for one name, and no sign for several; what is below the path is in the location too"


def find_plain_stars(config: Config) -> Iterator[Problem]:
    """Paths with what is a sign elsewhere, a star above all, and is compared as it stands."""
    for location in config.locations:
        text = None
        if location.match != "glob" and "*" in location.path:
            text = 'the * stands for itself alone: for one that stands for other names, set match = "glob"'
        elif _ENCODED.search(location.path):
            text = "is not percent-encoded: write the characters themselves"
        elif _NAMED.search(location.path):
            text = "the braces stand for themselves: names in them are for match of a redirect"
        if text is not None:
            yield Problem(key_path(location.where, "path"), f"{text}; it is {show(location.path)}")
