import pytest

from gemd.config.answer_settings import FixedAnswer, Redirect, is_partial, list_redirects

ALL, SOME = Redirect(to="/"), Redirect(to="/", match="/a")


@pytest.mark.parametrize(("value", "expected"), [(None, ()), (ALL, (ALL,)), ((SOME, ALL), (SOME, ALL)), (True, ())])
def test_the_redirects_of_a_location(value, expected):
    assert list_redirects(value) == expected


PARTIAL = {
    "a redirect of everything": (ALL, False),
    "a pattern": (SOME, True),
    "patterns": ((SOME, SOME), True),
    "a pattern, and everything else": ((SOME, ALL), False),
    "a prompt": (FixedAnswer(status=10, meta="Who?"), True),
    "a refusal": (FixedAnswer(status=51), False),
    "another answer": (True, False),
    "none": (None, False),
}


@pytest.mark.parametrize(("value", "expected"), PARTIAL.values(), ids=PARTIAL)
def test_what_leaves_something_to_the_next_one(value, expected):
    assert is_partial(value) is expected
