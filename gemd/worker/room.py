"""Room for connections that are answered, linger, are passed on or upload: so many of them together.

Rule: where there are too many, one goes who lingers; else one of the kind that is the most numerous.
"""

from typing import Protocol

from gemd.responders.counted import note_eviction
from gemd.worker.closing import Closing
from gemd.worker.writing import Writing


class Guests(Protocol):
    """Connections of a kind that take places which answers would have."""

    def __len__(self) -> int:
        """How many there are."""

    def give_place(self, number: int) -> bool:
        """Drop one, if there are more than `number`; False if not."""


class Room:
    """`most` places, for `writing` and `closing`, some of which others take."""

    def __init__(self, writing: Writing, closing: Closing, most: int) -> None:
        self._writing = writing
        self._closing = closing
        self._most = most
        self._guests: list[Guests] = []
        writing.take_place = self._give_place

    def add(self, guests: Guests) -> None:
        """One more kind of them."""
        self._guests.append(guests)

    def count(self) -> None:
        """A guest has come, or left."""
        self._writing.room = self._most - sum(map(len, self._guests))

    def make_place(self) -> None:
        """One more guest will come: where there are so many already, somebody goes."""
        writing = self._writing
        while len(writing) + len(self._closing) >= writing.room:
            if self._closing.drop_oldest() or self._give_place(len(writing)):
                continue
            if writing.blocked:
                note_eviction("slow")
                writing.drop(writing.blocked.oldest(), "too many read too slowly")
            elif not self._give_place(0):
                return

    def _give_place(self, number: int) -> bool:
        """Drop one of the most numerous kind, if there are more than `number`; False if not."""
        return max(self._guests, key=len).give_place(number) if self._guests else False
