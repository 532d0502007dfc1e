"""The table of statements is in order."""

import pytest

from gemd.gemctl.foreign.gmid_forms import FORMS, KEYWORDS, SIGNS, VALUES, Directive
from gemd.gemctl.foreign.original import Spot


@pytest.mark.parametrize("table", FORMS)
def test_each_form_is_under_its_keyword(table):
    for keyword, forms in FORMS[table].items():
        for form in forms:
            words = form.split()
            assert words[0] == keyword
            assert words.count("[") == words.count("]")
            assert ("{" in words) == ("}" in words)
            if "{" in words:
                assert words[words.index("{") + 1] in FORMS or words[words.index("{") + 1] == "types"
            assert all(word in VALUES or word in SIGNS or word.islower() or word == "proxy-v1" for word in words)


def test_keywords_are_what_is_no_value():
    assert {"server", "on", "off", "to-ext", "proxy-v1", "relay-to", "client"} <= KEYWORDS
    assert not KEYWORDS & (set(VALUES) | SIGNS)


def test_a_directive():
    directive = Directive("listen on A [ port V ]", ["*"], [], Spot("a", 1), "listen on *")
    assert (directive.keyword, directive.value(0), directive.value(1)) == ("listen", "*", "")
