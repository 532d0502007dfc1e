"""Refusals and evictions, as they are counted.

Rule: a refusal is counted where it becomes an answer, by the reason that it has; what an application answers by itself
is no refusal of ours.
"""

from gemd.protocol.counters import EVICTIONS, REFUSALS
from gemd.protocol.errors import GeminiError
from gemd.protocol.response import Response, error_response
from gemd.system.tally import tally


def answer_refusal(refusal: GeminiError) -> Response:
    """The answer that it stands for."""
    if refusal.reason:
        tally.count(REFUSALS, refusal.reason)
    return error_response(refusal)


def note_eviction(of: str) -> None:
    """A connection of this kind has to go for others."""
    tally.count(EVICTIONS, of)
