"""Where a key stands, in words."""

from gemd.config.origin import Origin


def test_a_place_has_what_there_is():
    assert Origin("root", "a.org", "/x", "gemd.conf", 3).say("is wrong") == "gemd.conf:3: a.org/x: root: is wrong"
    assert Origin("root", source="GEMD_HOST_ROOT").say("is wrong") == "GEMD_HOST_ROOT: root: is wrong"
    assert Origin("").say("is wrong") == "is wrong"
