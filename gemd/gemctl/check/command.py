"""`gemctl check`: from the command line to an exit code.

Rules: one host after the other, each at one address closely and at the others for a comparison; what was found before
the time was over is told; nothing is written, known hosts neither.
"""

import argparse
import socket
from collections.abc import Iterator

from gemd.config.listen import is_loopback
from gemd.gemctl.check.crawl import Crawl
from gemd.gemctl.check.elsewhere import Elsewhere
from gemd.gemctl.check.finding import SPECIFICATION, Finding, FindingKind, Rule, fault, make_finding, skipped
from gemd.gemctl.check.meter import Meter
from gemd.gemctl.check.pace import OutOfTime, Pace
from gemd.gemctl.check.probe import Probe, run_probe
from gemd.gemctl.check.subjects import find_subjects
from gemd.gemctl.check.summary import HostReport, encode_reports, write_report
from gemd.gemctl.check.table import CLOSELY, ELSEWHERE
from gemd.gemctl.check.visit import Subject, Visitor
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.terminal import escape
from gemd.protocol.host import place
from gemd.system.deadline import Deadline

_PAUSE = 0.1  # seconds between two requests to another machine

REACHED = Rule("connection", "a server that takes connections", f'{SPECIFICATION}, "Overview"',
               "see whether gemd runs (`gemctl status`), where it listens, and what firewalls let through")  # fmt: skip


def check(options: argparse.Namespace) -> ExitCode:
    """Check what the options say. Raises Failure, and ConfigError."""
    end = Deadline(options.within)
    reports = []
    with Meter() as meter:
        for subject in find_subjects(options):
            reports.append(_check_subject(subject, options, end, meter))
    if options.json:
        print(encode_reports(reports))
    else:
        print("\n".join(line for report in reports for line in write_report(report)))
    if any(report.count_kind(FindingKind.FAULT) for report in reports):
        return ExitCode.FAILED
    return ExitCode.OK if all(report.is_complete for report in reports) else ExitCode.UNCHECKED


def _check_subject(subject: Subject, options: argparse.Namespace, end: Deadline, meter: Meter) -> HostReport:
    report = HostReport(subject.place, [place(*address) for address in subject.addresses])
    pause = options.pause if options.pause is not None else _find_pause(subject)
    pace = Pace(pause, end.remaining())
    try:
        visitors = list(_reach(subject, pace, options, report))
        if visitors:
            _check_all(visitors, options, report, meter)
    except OutOfTime:
        report.is_complete = False
    return report


def _check_all(visitors: list[Visitor], options: argparse.Namespace, report: HostReport, meter: Meter) -> None:
    """Raises OutOfTime."""
    if options.only != "content":
        probes = [(visitors[0], one) for one in CLOSELY]
        probes += [(visitor, one) for visitor in visitors[1:] for one in ELSEWHERE]
        for done, (visitor, one) in enumerate(probes):
            meter(done, len(probes), f"{visitor.where}: {one.rule.name}")
            _probe(visitor, one, report)
    if options.only != "server":
        pace = visitors[0].pace
        elsewhere = Elsewhere(pace, options.timeout, options.limit) if options.external else None
        crawl = Crawl(visitors[0], options.limit, meter, elsewhere)
        try:
            report.findings.extend(crawl.run())
        finally:
            report.pages, report.links, report.barred = crawl.pages, crawl.links, crawl.barred


def _probe(visitor: Visitor, one: Probe, report: HostReport) -> None:
    finding = run_probe(one, visitor)
    if finding is None:
        report.passed.append(one.rule.name)
    else:
        report.findings.append(finding)


def _reach(subject: Subject, pace: Pace, options: argparse.Namespace, report: HostReport) -> Iterator[Visitor]:
    """Who visits each address that somebody answers at; the others are told. Raises OutOfTime."""
    first: Visitor | None = None
    for address in subject.addresses:
        visitor = Visitor(subject, address, pace, options.timeout, first)
        finding = _try_address(visitor)
        if finding is not None:
            report.findings.append(finding)
            continue
        first = first or visitor
        yield visitor


def _try_address(visitor: Visitor) -> Finding | None:
    """Why nobody visits it, if so. Raises OutOfTime."""
    host, port = visitor.address
    if ":" in host and not _has_way(host, port):
        return make_finding(REACHED, visitor.where, skipped("this machine has no IPv6, or no way to that address"))
    try:
        visitor.dial().close()
    except Failure as failure:
        return make_finding(REACHED, visitor.where, fault("; ".join(map(escape, failure.lines))))
    return None


def _has_way(host: str, port: int) -> bool:
    """Whether an IPv6 address can be sent to at all; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.connect((host, port))
    except OSError:
        return False
    return True


def _find_pause(subject: Subject) -> float:
    return 0.0 if all(is_loopback(host) for host, _ in subject.addresses) else _PAUSE
