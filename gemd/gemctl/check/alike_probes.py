"""Checks at the other addresses of a host: whoever comes by them meets the same server."""

from gemd.gemctl.check.finding import PASSED, CheckOutcome, fault, skipped
from gemd.gemctl.check.probe import probe
from gemd.gemctl.check.visit import ReplyEnd, Visitor


def _check_certificate(visitor: Visitor) -> CheckOutcome:
    if visitor.first is None:
        return skipped("there is nothing to compare with")
    here, there = visitor.facts, visitor.first.facts
    if here.fingerprint == there.fingerprint:
        return PASSED
    return fault(f"it is another one than at {visitor.first.address[0]}: SHA256:{here.fingerprint}")


def _check_answer(visitor: Visitor) -> CheckOutcome:
    if visitor.first is None:
        return skipped("there is nothing to compare with")
    here, there = visitor.start_page, visitor.first.start_page
    if here.header != there.header:
        return fault(f"the start page got {here.say()}, and {there.say()} at {visitor.first.address[0]}")
    return PASSED if here.ending is not ReplyEnd.CUT else fault(f"the start page ended {here.ending.value}")


PROBES = (
    probe(
        "same-certificate",
        _check_certificate,
        "one certificate at all addresses",
        "clients know a host by its certificate: have the same server listen at both, or copy certificate and key",
        '"TLS server certificate validation"',
    ),
    probe(
        "same-answer",
        _check_answer,
        "one answer at all addresses",
        "an address of the name may lead to another machine: see its records, and `listen`",
        '"Responses"',
    ),
)
