"""Checks of clients that keep a server waiting."""

import pytest

from gemd.gemctl.check.pace import OutOfTime, Pace
from gemd.gemctl.check.waiting_probes import PROBES
from tests.gemctl.conftest import LONGEST

NAMES = [one.rule.name for one in PROBES]


def test_a_server_that_is_right(checked, outcome_of):
    visitor = checked(patience=3.0).visitor()
    assert [outcome_of(PROBES, name, visitor).text for name in NAMES] == [""] * len(NAMES)


@pytest.mark.parametrize(
    ("name", "seconds"), [("half-a-request", "0.2"), ("silent-client", "0.2"), ("no-handshake", "0.6")]
)
def test_a_server_that_waits_for_ever(checked, outcome_of, name, seconds):
    visitor = checked(patience=LONGEST).visitor(patience=0.2)
    outcome = outcome_of(PROBES, name, visitor)
    assert (outcome.kind, outcome.text) == ("fault", f"it was still open after {seconds} s")


def test_one_that_is_kept_too_long_is_no_fault_of_the_others(checked, outcome_of):
    visitor = checked(patience=1.2).visitor(patience=0.6)
    kinds = [outcome_of(PROBES, name, visitor).kind for name in ("half-a-request", "silent-client", "no-handshake")]
    assert kinds == ["fault", "fault", None]  # a kernel may hold back who begins no handshake


def test_the_end_of_all_is_no_fault(checked):
    visitor = checked(patience=LONGEST).visitor(patience=5.0)
    visitor.pace = Pace(0, 0.5)
    half = next(one for one in PROBES if one.rule.name == "half-a-request")
    with pytest.raises(OutOfTime):
        half.run(visitor)


def test_a_server_that_has_no_answer_for_the_slow(checked, outcome_of):
    server = checked(patience=LONGEST, is_ended=lambda octets: False)
    outcome = outcome_of(PROBES, "slow-request", server.visitor(patience=0.2))
    assert (outcome.kind, outcome.text) == ("fault", "it got no answer, and was not closed")


def test_a_request_without_crlf_is_answered(said_by):
    kind, found = said_by(
        PROBES,
        "line-feed",
        patience=1.0,
        is_ended=lambda octets: octets.endswith(b"\n"),
        wrong=lambda line: b"20 text/gemini\r\n# A page\n",
    )
    assert (kind, found) == ("fault", 'it got "20 text/gemini"')


def test_what_is_waited_for_is_told_once(checked, outcome_of):
    visitor = checked(patience=LONGEST).visitor(patience=0.2)
    outcome = outcome_of(PROBES, "line-feed", visitor)
    assert (outcome.kind, outcome.text) == ("skipped", "it is waited for: see half-a-request")


def test_who_allows_fewer_connections(checked, outcome_of, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.check.pace._FIRST_WAIT", 0.01)
    server = checked(patience=LONGEST)
    visitor = server.visitor(patience=0.2)
    server.greet = lambda octets: b"" if octets else None
    for name in NAMES[1:]:
        outcome = outcome_of(PROBES, name, visitor)
        assert (outcome.kind, outcome.text) == (
            "skipped",
            "it takes four connections at once, and the server allows one client fewer",
        )


def test_all_wait_at_the_same_time(checked, outcome_of):
    server = checked(patience=1.5)
    visitor = server.visitor(patience=LONGEST)
    for name in NAMES[1:]:
        assert outcome_of(PROBES, name, visitor).kind is None
    assert server.most_at_once == 4
