"""What was found about one host, in lines for people and as JSON for programs.

Rule: all of it may be a stranger's text, and is escaped, in JSON as well.
"""

from collections.abc import Iterable, Iterator

import msgspec

from gemd.gemctl.check.finding import Finding, FindingKind
from gemd.gemctl.terminal import escape
from gemd.protocol.quantities import count


class HostReport(msgspec.Struct):
    """`passed` are the names of checks; `is_complete` says that all was checked, and `unfinished` why it was not."""

    host: str
    addresses: list[str]
    passed: list[str] = []
    findings: list[Finding] = []
    pages: int = 0
    links: int = 0
    barred: int = 0
    is_complete: bool = True
    unfinished: str = ""

    def leave_unfinished(self, reason: str) -> None:
        """Say that not all was checked, and why."""
        self.is_complete, self.unfinished = False, reason

    def count_kind(self, kind: FindingKind) -> int:
        """How many findings are of it."""
        return sum(finding.kind is kind for finding in self.findings)


def write_report(report: HostReport) -> Iterator[str]:
    """A line for each finding, and one for all that is in order."""
    for finding in report.findings:
        yield escape(write_finding(finding))
    yield escape(f"{report.host}: {', '.join(_sum_up(report))}")
    if not report.is_complete:
        yield escape(f"{report.host}: {report.unfinished}")


def write_finding(finding: Finding) -> str:
    """What is, what was expected and why, and what to do."""
    said = f"{finding.kind}: {finding.where}: {finding.check}: {finding.found}"
    if finding.kind is FindingKind.SKIPPED:
        return said
    section = f" ({finding.section})" if finding.section else ""
    return f"{said}; expected {finding.expected}{section}; to do: {finding.advice}"


def _sum_up(report: HostReport) -> Iterator[str]:
    yield f"{count(len(report.passed), 'check')} passed"
    yield count(report.count_kind(FindingKind.FAULT), "fault")
    if notes := report.count_kind(FindingKind.NOTE):
        yield count(notes, "note")
    if skipped := report.count_kind(FindingKind.SKIPPED):
        yield f"{skipped} skipped"
    if report.pages:
        yield f"{count(report.pages, 'URL')} and {count(report.links, 'link')} of the capsule looked at"
    if report.barred:
        yield f"{count(report.barred, 'URL')} left alone, as robots.txt says"


def encode_reports(reports: Iterable[HostReport]) -> str:
    """All of them as JSON, for programs."""
    plain = msgspec.to_builtins({"hosts": list(reports)})
    return msgspec.json.format(msgspec.json.encode(_escape_all(plain)), indent=2).decode()


def _escape_all(value: object) -> object:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, list):
        return [_escape_all(item) for item in value]
    if isinstance(value, dict):
        return {key: _escape_all(item) for key, item in value.items()}
    return value
