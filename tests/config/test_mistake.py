"""Mistakes that are about a key."""

import pytest

from gemd.config.mistake import Mistake, about, key_under_way
from gemd.config.origin import Origin


def test_the_innermost_key_is_what_it_is_about():
    with pytest.raises(Mistake) as caught, about("host[1]"), about("host[1].key"):
        raise Mistake("is wrong")
    mistake = caught.value
    assert (mistake.key, str(mistake), mistake.text) == ("host[1].key", "host[1].key: is wrong", "is wrong")
    mistake.origin = Origin("key", "a.org", source="gemd.conf", line=3)
    assert str(mistake) == "gemd.conf:3: a.org: key: is wrong"


def test_the_key_is_known_meanwhile():
    with about("a"):
        with about("b"):
            assert key_under_way() == "b"
        assert key_under_way() == "a"
    with pytest.raises(Mistake), about("c"):
        raise Mistake("is wrong")
    assert key_under_way() == ""


def test_what_is_about_nothing_is_its_text():
    assert str(Mistake("is wrong")) == "is wrong"


def test_other_errors_pass():
    with pytest.raises(ValueError, match="x"), about("host[1]"):
        raise ValueError("x")
