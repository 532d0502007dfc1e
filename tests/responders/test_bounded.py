from gemd.responders.bounded import Bounded


def found_in(known, keys):
    return [key for key in keys if known.find(key) is not None]


def test_a_value_is_found_by_its_key():
    known = Bounded(4, of="titles")
    assert known.keep("a", 1) is None
    assert (known.find("a"), known.find("b")) == (1, None)


def test_what_was_not_asked_for_longest_goes():
    known = Bounded(2, of="titles")
    known.keep("a", 1)
    known.keep("b", 2)
    assert known.find("a")
    known.keep("c", 3)
    assert found_in(known, "abc") == ["a", "c"]


def test_large_ones_count_for_more():
    known = Bounded(10, len, of="titles")
    for key, value in (("a", "."), ("b", "...."), ("c", "....."), ("d", ".")):
        known.keep(key, value)
    assert found_in(known, "abcd") == ["b", "c", "d"]
    assert len(known) == 3


def test_one_that_is_too_large_drives_nobody_out():
    known = Bounded(10, len, of="titles")
    known.keep("a", "....")
    known.keep("b", "......")
    assert found_in(known, "ab") == ["a"]


def test_one_that_is_kept_anew_takes_the_place_of_the_former():
    known = Bounded(10, len, of="titles")
    known.keep("b", "....")
    for value in ("....", ".....", "."):
        former = known.keep("a", value)
    assert former == "....."
    known.keep("c", ".....")
    assert found_in(known, "abc") == ["a", "b", "c"]


def test_one_that_has_grown_too_large_is_forgotten():
    known = Bounded(10, len, of="titles")
    known.keep("a", "....")
    assert known.keep("a", "......") == "...."
    assert len(known) == 0


def test_what_is_forgotten_leaves_its_room():
    known = Bounded(2, of="titles")
    known.keep("a", 1)
    known.keep("b", 1)
    known.forget("a")
    known.forget("a")
    known.keep("c", 1)
    assert found_in(known, "abc") == ["b", "c"]
