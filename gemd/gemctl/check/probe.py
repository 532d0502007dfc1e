"""A check of a server: the rule, and a function that visits the server and says what came of it.

Rule: whatever keeps a probe from an answer, such as a connection that is refused, is a fault of the server; that it
asks for patience is none.
"""

from collections.abc import Callable, Iterable

import msgspec

from gemd.gemctl.check.finding import (
    SPECIFICATION,
    CheckOutcome,
    Finding,
    FindingKind,
    Rule,
    fault,
    make_finding,
    skipped,
)
from gemd.gemctl.check.visit import SlowedDown, Visitor
from gemd.gemctl.failure import Failure

Run = Callable[[Visitor], CheckOutcome]


class Probe(msgspec.Struct, frozen=True):
    """One row of the table."""

    rule: Rule
    run: Run


def probe(name: str, run: Run, expected: str, advice: str, section: str = "") -> Probe:
    """A row; `section` is one of the specification, or of an RFC."""
    source = section if section.startswith("RFC") else f"{SPECIFICATION}, {section}"
    return Probe(Rule(name, expected, source if section else "", advice), run)


def run_probe(one: Probe, visitor: Visitor) -> Finding | None:
    """The finding, or None if all is as expected. Raises OutOfTime."""
    name = one.rule.name
    if name in visitor.subject.exempt:
        outcome = skipped(visitor.subject.exempt[name])
    else:
        try:
            outcome = one.run(visitor)
        except SlowedDown as slowed:
            outcome = skipped(str(slowed))
        except Failure as failure:
            outcome = fault("; ".join(failure.lines))
    return None if outcome.kind is None else make_finding(one.rule, visitor.where, outcome)


def worst(outcomes: Iterable[CheckOutcome]) -> CheckOutcome:
    """The first fault of several outcomes, or else the first note, or else the first of all."""
    every = list(outcomes)
    for kind in (FindingKind.FAULT, FindingKind.NOTE):
        for outcome in every:
            if outcome.kind is kind:
                return outcome
    return every[0]
