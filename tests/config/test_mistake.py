"""Mistakes that are about a key."""

import pytest

from gemd.config.mistake import Mistake, about
from gemd.config.origin import Origin


def test_the_innermost_key_is_what_it_is_about():
    with pytest.raises(Mistake) as caught, about("host[1]"), about("host[1].key"):
        raise Mistake("is wrong")
    mistake = caught.value
    assert (mistake.key, str(mistake), mistake.text) == ("host[1].key", "host[1].key: is wrong", "is wrong")
    mistake.origin = Origin("key", "a.org", source="gemd.conf", line=3)
    assert str(mistake) == "gemd.conf:3: a.org: key: is wrong"


def test_what_is_about_nothing_is_its_text():
    assert str(Mistake("is wrong")) == "is wrong"


def test_other_errors_pass():
    with pytest.raises(ValueError, match="x"), about("host[1]"):
        raise ValueError("x")
