"""Whose answer it is: the host and the responder that a request is counted for.

Rules: which there are is decided when the configuration is loaded; nothing is made for a request, but where a thread
has to judge first; who was asked last has answered, or refused.
"""

from collections.abc import Callable, Mapping

from gemd.protocol.counters import RESPONDERS


class CountPlace:
    """The slot of a host, and the number of a responder among RESPONDERS."""

    __slots__ = ("host", "responder")

    def __init__(self, host: int, responder: str) -> None:
        self.host = host
        self.responder = RESPONDERS.index(responder)


NOWHERE = CountPlace(0, "none")

Places = Mapping[Callable[..., object] | None, CountPlace]  # by responder; None is for what comes before they are asked

_NONE: Places = {}


class Note:
    """Written while an answer is looked for: the places of the location that was found, and the responder that is asked
    now. For the event loop's thread alone."""

    __slots__ = ("places", "responder")

    def __init__(self) -> None:
        self.places = _NONE
        self.responder: Callable[..., object] | None = None

    def take(self) -> CountPlace:
        """Where the answer belongs, and begin anew."""
        place = self.places.get(self.responder, NOWHERE)
        self.places, self.responder = _NONE, None
        return place

    def hold(self) -> CountPlace:
        """The same for an answer that is looked for once more later, which `settle` is told then."""
        held, place = CountPlace(0, "none"), self.places.get(self.responder, NOWHERE)
        held.host, held.responder = place.host, place.responder
        self.places, self.responder = {None: held}, None
        return held

    def settle(self, held: CountPlace) -> None:
        """It was looked for again."""
        held.responder = self.take().responder
