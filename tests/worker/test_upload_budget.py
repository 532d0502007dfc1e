"""How much may be uploaded at once, in all and by a client."""

import pytest

from gemd.protocol.errors import BadRequest, Overloaded
from gemd.worker.upload_budget import LEAST, UploadBudget

MOST, EACH = 10 * LEAST, 4 * LEAST


@pytest.fixture
def budget():
    return UploadBudget(MOST, EACH)


def test_a_client_has_its_share_and_no_more(budget):
    for _ in range(2):
        budget.check("a", 2 * LEAST)
        budget.enter("a", 2 * LEAST)
    with pytest.raises(Overloaded, match="your address"):
        budget.check("a", 1)
    budget.check("b", EACH)
    budget.leave("a", 2 * LEAST)
    budget.check("a", 2 * LEAST)


def test_one_that_is_too_large_by_itself_is_told_the_limit(budget):
    budget.check("a", EACH)
    with pytest.raises(BadRequest, match=f"At most {EACH} bytes"):
        budget.check("a", EACH + 1)


def test_a_small_one_counts_as_much_as_it_may_hold(budget):
    for _ in range(4):
        budget.check("a", 1)
        budget.enter("a", 1)
    with pytest.raises(Overloaded):
        budget.check("a", 1)


def test_whoever_has_least_of_all_limits_may_have_one():
    budget = UploadBudget(10, 10)
    budget.check("a", 10)
    assert budget.find_excess("a", 10) is None
    budget.enter("a", 10)
    with pytest.raises(Overloaded):
        budget.check("a", 1)
    with pytest.raises(Overloaded):
        budget.find_excess("b", 1)


def test_who_has_most_gives_way_to_who_has_less(budget):
    for client, number in (("a", 4), ("b", 3), ("c", 2)):
        for _ in range(number):
            budget.enter(client, LEAST)
    assert budget.find_excess("d", LEAST) is None
    assert budget.find_excess("d", 2 * LEAST) == "a"
    assert budget.find_excess("c", LEAST) is None
    budget.enter("d", LEAST)
    assert budget.find_excess("d", LEAST) == "a"
    with pytest.raises(Overloaded, match="are under way"):
        budget.find_excess("b", LEAST)  # who would have as much as the largest


def test_nothing_is_left_of_who_is_gone(budget):
    budget.enter("a", 5 * LEAST)
    budget.enter("b", 1)
    assert budget.largest == "a"
    budget.leave("a", 5 * LEAST)
    assert budget.largest == "b"
    budget.leave("b", 1)
    assert (budget._total, dict(budget._by_client)) == (0, {})


def test_looking_at_a_client_leaves_no_trace(budget):
    budget.check("a", 1)
    budget.enter("b", MOST)
    budget.find_excess("a", 1)
    assert set(budget._by_client) == {"b"}
