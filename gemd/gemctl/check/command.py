"""`gemctl check`: from the command line to an exit code.

Rules: one host after the other, each at one address closely and at the others for a comparison; what was found before
the time was over, or Ctrl-C was pressed, is told; nothing is written, known hosts neither.
"""

import argparse
import socket
from collections.abc import Iterator

from gemd.config.listen import is_loopback
from gemd.gemctl.check.crawl import LINK, Crawl
from gemd.gemctl.check.elsewhere import Elsewhere
from gemd.gemctl.check.finding import SPECIFICATION, Finding, FindingKind, Rule, fault, make_finding, skipped
from gemd.gemctl.check.meter import Meter
from gemd.gemctl.check.pace import POLITE, OutOfTime, Pace
from gemd.gemctl.check.probe import run_probe
from gemd.gemctl.check.subjects import find_subjects
from gemd.gemctl.check.summary import HostReport, encode_reports, write_report
from gemd.gemctl.check.table import CLOSELY, ELSEWHERE, WAITING
from gemd.gemctl.check.visit import Subject, Visitor
from gemd.gemctl.failure import ExitCode, Failure
from gemd.protocol.host import place
from gemd.system.deadline import Deadline

REACHED = Rule("connection", "a server that takes connections", f'{SPECIFICATION}, "Overview"',
               "see whether gemd runs (`gemctl status`), where it listens, and whom firewalls and the key `access` let "
               "through")  # fmt: skip
_START_PAGE = "start-page"  # a check of the server, without which nobody goes through the capsule
_OVER = "the time was over before all was checked: --within S gives more"
_NO_WAY = "nothing was checked, since this machine has no way to it"
_INTERRUPTED = "all was not checked, since it was interrupted"


def check(options: argparse.Namespace) -> ExitCode:
    """Check what the options say. Raises Failure, and ConfigError."""
    reports: list[HostReport] = []
    try:
        with Meter() as meter:
            _Check(options, meter).run(reports)
    except KeyboardInterrupt:
        if reports:
            reports[-1].leave_unfinished(_INTERRUPTED)
            _print_reports(reports, options)
        raise
    _print_reports(reports, options)
    if any(report.count_kind(FindingKind.FAULT) for report in reports):
        return ExitCode.FAILED
    return ExitCode.OK if all(report.is_complete for report in reports) else ExitCode.UNCHECKED


def _print_reports(reports: list[HostReport], options: argparse.Namespace) -> None:
    if options.json:
        print(encode_reports(reports))
    else:
        print("\n".join(line for report in reports for line in write_report(report)))


class _Check:
    """One run of the command, until the time is over."""

    def __init__(self, options: argparse.Namespace, meter: Meter) -> None:
        self._options, self._meter = options, meter
        self._end = Deadline(options.within)
        self._waited: set[tuple[str, int]] = (
            set()
        )  # addresses where it is known how those are treated that keep it waiting

    def run(self, reports: list[HostReport]) -> None:
        """Check all hosts, with a report of each. Raises Failure, and ConfigError."""
        for subject in find_subjects(self._options):
            reports.append(HostReport(subject.place, [place(*address) for address in subject.addresses]))
            self._check(subject, reports[-1])

    def _check(self, subject: Subject, report: HostReport) -> None:
        pace = Pace(_find_pause(subject, self._options.pause), self._end.remaining())
        try:
            visitors = list(self._reach(subject, pace, report))
            if visitors and self._options.only != "content":
                self._probe(visitors, report)
            if visitors and self._options.only != "server" and _START_PAGE not in subject.exempt:
                self._go_through(visitors[0], report)
            if not visitors and not report.count_kind(FindingKind.FAULT):
                report.leave_unfinished(_NO_WAY)
        except OutOfTime:
            report.leave_unfinished(_OVER)

    def _reach(self, subject: Subject, pace: Pace, report: HostReport) -> Iterator[Visitor]:
        """Who visits each address that somebody answers at; the others are told. Raises OutOfTime."""
        first: Visitor | None = None
        for address in subject.addresses:
            visitor = Visitor(subject, address, pace, self._options.timeout, first)
            finding = _try_address(visitor)
            if finding is not None:
                report.findings.append(finding)
                continue
            first = first or visitor
            yield visitor

    def _probe(self, visitors: list[Visitor], report: HostReport) -> None:
        """Make the checks of a server. Raises OutOfTime."""
        first = visitors[0]
        probes = [(first, one) for one in CLOSELY if one not in WAITING or first.address not in self._waited]
        probes += [(visitor, one) for visitor in visitors[1:] for one in ELSEWHERE]
        self._waited.add(first.address)
        for done, (visitor, one) in enumerate(probes):
            self._meter(done, len(probes), f"{visitor.where}: {one.rule.name}")
            finding = run_probe(one, visitor)
            if finding is None:
                report.passed.append(one.rule.name)
            else:
                report.findings.append(finding)

    def _go_through(self, visitor: Visitor, report: HostReport) -> None:
        """Look at the capsule. Raises OutOfTime."""
        options = self._options
        elsewhere = Elsewhere(visitor.pace, options.timeout, options.limit) if options.external else None
        crawl = Crawl(visitor, options.limit, self._meter, elsewhere)
        told = (LINK.name, crawl.start) if any(one.check == _START_PAGE for one in report.findings) else None
        try:
            for finding in crawl.run():
                if (finding.check, finding.where) != told:
                    report.findings.append(finding)
        finally:
            report.pages, report.links, report.barred = crawl.pages, crawl.links, crawl.barred


def _try_address(visitor: Visitor) -> Finding | None:
    """Why nobody visits it, if so. Raises OutOfTime."""
    host, port = visitor.address
    if ":" in host and not _has_way(host, port):
        return make_finding(REACHED, visitor.where, skipped("this machine has no IPv6, or no way to that address"))
    try:
        visitor.connect().tls.close()
    except Failure as failure:
        return make_finding(REACHED, visitor.where, fault("; ".join(failure.lines)))
    return None


def _has_way(host: str, port: int) -> bool:
    """Whether an IPv6 address can be sent to at all; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.connect((host, port))
    except OSError:
        return False
    return True


def _find_pause(subject: Subject, typed: float | None) -> float:
    """Seconds between two requests; somebody else's server has a pause, whatever was typed."""
    if typed is not None:
        return typed if subject.is_own else max(typed, POLITE)
    return 0.0 if all(is_loopback(host) for host, _ in subject.addresses) else POLITE
