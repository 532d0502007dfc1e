"""What is said of what was found."""

import json

from gemd.gemctl.check.finding import Finding, FindingKind
from gemd.gemctl.check.summary import HostReport, encode_reports, write_finding, write_report

FAULT = Finding(FindingKind.FAULT, "a-check", "here", "it is \x1b[31mred", "blue", "a section", "paint it")
NOTE = Finding(FindingKind.NOTE, "b-check", "there", "it is old", "new", "", "wait")
SKIPPED = Finding(FindingKind.SKIPPED, "c-check", "there", "no way", "a way", "", "go")


def test_findings():
    assert write_finding(NOTE) == "note: there: b-check: it is old; expected new; to do: wait"
    assert write_finding(SKIPPED) == "skipped: there: c-check: no way"


def test_a_report():
    report = HostReport("h:1965", ["127.0.0.1:1965"], ["x", "y"], [FAULT, NOTE, SKIPPED], 3, 1, 2)
    report.leave_unfinished("the time was over before all was checked")
    assert list(write_report(report)) == [
        "fault: here: a-check: it is \\x1b[31mred; expected blue (a section); to do: paint it",
        "note: there: b-check: it is old; expected new; to do: wait",
        "skipped: there: c-check: no way",
        "h:1965: 2 checks passed, 1 fault, 1 note, 1 skipped, 3 URLs and 1 link of the capsule looked at, "
        "2 URLs left alone, as robots.txt says",
        "h:1965: the time was over before all was checked",
    ]


def test_a_report_of_a_server_alone():
    assert list(write_report(HostReport("h:1965", [], ["x"]))) == ["h:1965: 1 check passed, 0 faults"]


def test_for_programs():
    (report,) = json.loads(encode_reports([HostReport("h:1965", ["127.0.0.1:1965"], ["x"], [FAULT])]))["hosts"]
    assert report == {
        "host": "h:1965",
        "addresses": ["127.0.0.1:1965"],
        "passed": ["x"],
        "findings": [
            {
                "kind": "fault",
                "check": "a-check",
                "where": "here",
                "found": "it is \\x1b[31mred",
                "expected": "blue",
                "section": "a section",
                "advice": "paint it",
            }
        ],
        "pages": 0,
        "links": 0,
        "barred": 0,
        "is_complete": True,
        "unfinished": "",
    }


def test_octets_that_are_no_text():
    assert "\\\\udcff" in encode_reports([HostReport("h\udcff", [])])
