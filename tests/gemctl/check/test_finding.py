"""What a check came to."""

from gemd.gemctl.check.finding import PASSED, Finding, FindingKind, Rule, fault, make_finding, note, skipped

RULE = Rule("name", "expected", "section", "advice")


def test_outcomes():
    assert [outcome.kind for outcome in (PASSED, fault("a"), note("b"), skipped("c"))] == [None, *FindingKind]


def test_a_finding_has_all_of_it():
    assert make_finding(RULE, "here", fault("found")) == Finding(
        FindingKind.FAULT, "name", "here", "found", "expected", "section", "advice"
    )
