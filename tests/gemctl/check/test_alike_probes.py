"""What differs at another address of the same host."""

import pytest

from gemd.gemctl.check.alike_probes import PROBES
from gemd.gemctl.check.visit import Visitor


@pytest.fixture
def both(checked):
    """Visitors of two addresses, where one server and another one answer."""

    def both(**changes):
        first = checked()
        other = checked(address="127.0.0.2", port=first.port, **changes)
        visitor = first.visitor()
        return Visitor(visitor.subject, other.address, visitor.pace, 10.0, visitor)

    return both


def found(outcome):
    return outcome.kind and outcome.kind.value, outcome.text


def test_one_server_at_both(both, outcome_of):
    visitor = both()
    assert [found(one.run(visitor)) for one in PROBES] == [(None, "")] * 2


def test_another_certificate(both, outcome_of):
    visitor = both(folder="other")
    expected = f"it is another one than at 127.0.0.1: SHA256:{visitor.facts.fingerprint}"
    assert found(outcome_of(PROBES, "same-certificate", visitor)) == ("fault", expected)


def test_another_answer(both, outcome_of):
    visitor = both(pages={"/": b"51 Not found\r\n"})
    expected = 'the start page got "51 Not found", and "20 text/gemini" at 127.0.0.1'
    assert found(outcome_of(PROBES, "same-answer", visitor)) == ("fault", expected)


def test_another_end(both, outcome_of):
    expected = "the start page ended without close_notify"
    assert found(outcome_of(PROBES, "same-answer", both(proper=False))) == ("fault", expected)


def test_the_first_has_nothing_to_compare_with(checked):
    visitor = checked().visitor()
    assert {one.run(visitor).kind.value for one in PROBES} == {"skipped"}
