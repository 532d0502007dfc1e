"""Whose answer it is: the host and the responder that a request is counted for.

Rules: which there are, and where their cells are, is decided when the configuration is loaded; nothing is made for a
request, but where a thread has to judge first; who was asked last has answered, or refused.
"""

from gemd.protocol.counters import CLASSES, DURATIONS, RESPONDERS


class CountPlace:
    """Where a host with this slot and a responder are counted: the first cell of each, among those of all hosts and
    those of all responders."""

    __slots__ = ("host", "responder")

    def __init__(self, slot: int, responder: str) -> None:
        self.host = slot * len(CLASSES)
        self.responder = RESPONDERS.index(responder) * DURATIONS


NOWHERE = CountPlace(0, "none")


class Note:
    """Written while an answer is looked for: where it is to be counted as far as that is known. For the event loop's
    thread alone."""

    __slots__ = ("place",)

    def __init__(self) -> None:
        self.place = NOWHERE

    def take(self) -> CountPlace:
        """Where the answer belongs, and begin anew."""
        place, self.place = self.place, NOWHERE
        return place

    def hold(self) -> CountPlace:
        """The same for an answer that is looked for once more later, which `settle` is told then."""
        held = CountPlace(0, "none")
        held.host, held.responder = self.place.host, self.place.responder
        self.place = held
        return held

    def settle(self, held: CountPlace) -> None:
        """It was looked for again."""
        held.responder = self.take().responder
