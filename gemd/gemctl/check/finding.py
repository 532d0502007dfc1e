"""What a check finds: what is, what was expected and by which section, and what to do.

Rule: a check is described once, where it is made; what it found is text from elsewhere until it is shown.
"""

import enum

import msgspec

SPECIFICATION = "specification 0.24.1"


class FindingKind(enum.StrEnum):
    """How much a finding weighs. Faults alone decide how the command ends."""

    FAULT = "fault"
    NOTE = "note"
    SKIPPED = "skipped"


class CheckOutcome(msgspec.Struct, frozen=True):
    """What one check came to: no kind where all is as expected, else what was found, or why nothing was looked for."""

    kind: FindingKind | None = None
    text: str = ""


PASSED = CheckOutcome()


def fault(text: str) -> CheckOutcome:
    """Not as the specification, or a reader, would have it."""
    return CheckOutcome(FindingKind.FAULT, text)


def note(text: str) -> CheckOutcome:
    """To be known, and perhaps meant to be so."""
    return CheckOutcome(FindingKind.NOTE, text)


def skipped(reason: str) -> CheckOutcome:
    """Not looked at."""
    return CheckOutcome(FindingKind.SKIPPED, reason)


class Rule(msgspec.Struct, frozen=True):
    """What a check is about: its name, what is expected, which section says so, and what to do where it is not so."""

    name: str
    expected: str
    section: str
    advice: str


class Finding(msgspec.Struct, frozen=True):
    """An outcome that is told, with the rule and the place: an address of a host, or a page and its line."""

    kind: FindingKind
    check: str
    where: str
    found: str
    expected: str
    section: str
    advice: str


def make_finding(rule: Rule, where: str, outcome: CheckOutcome) -> Finding:
    """The finding that an outcome other than PASSED is."""
    assert outcome.kind is not None
    return Finding(outcome.kind, rule.name, where, outcome.text, rule.expected, rule.section, rule.advice)
