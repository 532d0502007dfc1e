"""A row of the table, and what becomes of its outcome."""

import pytest

from gemd.gemctl.check.finding import PASSED, Finding, FindingKind, fault, note, skipped
from gemd.gemctl.check.pace import OutOfTime
from gemd.gemctl.check.probe import probe, run_probe, worst
from gemd.gemctl.check.visit import SlowedDown
from gemd.gemctl.failure import Failure


def row(run, section='"TLS"'):
    return probe("a-check", run, "what is expected", "what to do", section)


def test_a_fault(checked):
    server = checked()
    where = f"localhost:{server.port} at 127.0.0.1:{server.port}"
    assert run_probe(row(lambda visitor: fault("wrong")), server.visitor()) == Finding(
        FindingKind.FAULT, "a-check", where, "wrong", "what is expected", 'specification 0.24.1, "TLS"', "what to do"
    )


def test_all_is_right(checked):
    assert run_probe(row(lambda visitor: PASSED), checked().visitor()) is None


def test_what_its_configuration_makes_pointless(checked):
    visitor = checked().visitor(exempt={"a-check": "since it is so"})
    finding = run_probe(row(lambda visitor: fault("wrong")), visitor)
    assert (finding.kind, finding.found) == (FindingKind.SKIPPED, "since it is so")


def test_who_gets_no_answer_has_found_a_fault(checked):
    def run(visitor):
        raise Failure("can't connect", "at all")

    finding = run_probe(row(run), checked().visitor())
    assert (finding.kind, finding.found) == (FindingKind.FAULT, "can't connect; at all")


def test_who_is_told_to_slow_down_has_found_nothing(checked):
    def run(visitor):
        raise SlowedDown("nobody knows")

    finding = run_probe(row(run), checked().visitor())
    assert (finding.kind, finding.found) == (FindingKind.SKIPPED, "nobody knows")


def test_no_time_is_no_fault(checked):
    def run(visitor):
        raise OutOfTime

    with pytest.raises(OutOfTime):
        run_probe(row(run), checked().visitor())


def test_sections():
    assert row(None, '"Requests"').rule.section == 'specification 0.24.1, "Requests"'
    assert row(None, "RFC 3986, 5.2.4").rule.section == "RFC 3986, 5.2.4"
    assert row(None, "").rule.section == ""


def test_the_worst_of_several():
    assert worst([PASSED, note("a"), fault("b"), fault("c")]) == fault("b")
    assert worst([PASSED, skipped("d"), note("a")]) == note("a")
    assert worst([PASSED, PASSED]) == PASSED
