import math

import pytest

from gemd.worker.ordered import Ordered


class Member:
    """As much of a connection as matters here."""

    def __init__(self, deadline=0.0):
        self.state = None
        self.deadline = deadline


@pytest.fixture
def three():
    made = [Member(deadline) for deadline in (1.0, 2.0, 3.0)]
    ordered = Ordered()
    for one in made:
        ordered.add(one)
    return ordered, made


def test_the_oldest_first(three):
    ordered, made = three
    assert list(ordered) == made
    assert ordered.oldest() is made[0]
    assert len(ordered) == 3


def test_who_is_added_again_is_the_newest(three):
    ordered, made = three
    ordered.add(made[0])
    assert list(ordered) == [made[1], made[2], made[0]]


def test_who_is_not_here_is_removed_without_complaint(three):
    ordered, made = three
    ordered.remove(made[1])
    ordered.remove(made[1])
    assert list(ordered) == [made[0], made[2]]


def test_who_is_added_elsewhere_is_here_no_longer(three):
    ordered, made = three
    other = Ordered()
    other.add(made[1])
    assert list(ordered) == [made[0], made[2]]
    assert (made[1] in ordered, made[1] in other) == (False, True)
    ordered.remove(made[1])
    assert list(other) == [made[1]]
    other.remove(made[1])
    assert list(other) == []
    assert made[1].state is None


def test_some_may_be_removed_while_one_goes_through_them(three):
    ordered, _ = three
    for one in ordered:
        ordered.remove(one)
    assert len(ordered) == 0


@pytest.mark.parametrize(("now", "count"), [(0.5, 0), (1.0, 1), (2.5, 2), (9.0, 3)])
def test_those_whose_deadline_has_passed(three, now, count):
    ordered, made = three
    assert ordered.expired(now) == made[:count]


def test_the_next_deadline(three):
    assert three[0].next_deadline() == 1.0
    assert Ordered().next_deadline() == math.inf
    assert Ordered().expired(math.inf) == []
