import pytest

from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.status import DEFINED, Status

KINDS = GeminiError.__subclasses__()


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_failure_of_the_table_and_its_docstring_says_which(kind):
    assert kind.status in DEFINED
    assert kind.status >= 40
    assert kind.__doc__.startswith(f"{kind.status}: ")


def test_no_two_errors_are_one_answer():
    assert len(KINDS) >= 8
    assert len({kind.status for kind in KINDS}) == len(KINDS)


def test_some_have_a_text_of_their_own_unless_another_is_given():
    assert (NotFound().meta, NotFound("No such user").meta, NotFound("").meta) == ("Not found", "No such user", "")


def test_an_error_carries_its_text_and_may_have_another_status():
    plain, gone = GeminiError("Try later"), GeminiError("Gone", Status.GONE)
    assert (plain.status, plain.meta, str(plain)) == (40, "Try later", "Try later")
    assert (gone.status, gone.meta) == (52, "Gone")
    assert GeminiError().status == 40  # nothing is left behind in the class
