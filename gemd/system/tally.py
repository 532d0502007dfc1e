"""Events of this process, counted where they happen: in a worker in memory that its master reads.

Rules: every event has its cell beforehand; there is no lock, so that of what two threads count at the same moment one
may be lost.
"""

from array import array
from collections.abc import MutableSequence

from gemd.protocol.counters import EVENTS, Events

_CELLS = {each: nr for nr, each in enumerate((events.name, value) for events in EVENTS for value in events.values)}
NUMBER = len(_CELLS)  # of cells


class Tally:
    """Counts what a process has seen so far, for itself alone until it is told where."""

    def __init__(self) -> None:
        self._cells: MutableSequence[int] | memoryview = array("Q", bytes(8 * NUMBER))

    def use(self, cells: memoryview) -> None:
        """Count there from now on, where there may be some already: 64-bit cells, NUMBER of them."""
        self._cells = cells

    def count(self, events: Events, value: str) -> None:
        """One more of this kind."""
        self._cells[_CELLS[events.name, value]] += 1

    def read(self) -> list[int]:
        """All cells, as `name_events` takes them."""
        return list(self._cells)


tally = Tally()


def name_events(cells: list[int]) -> dict[str, dict[str, int]]:
    """What has happened at all, by the name of the events and the value."""
    found: dict[str, dict[str, int]] = {events.name: {} for events in EVENTS}
    for (name, value), nr in _CELLS.items():
        if cells[nr]:
            found[name][value] = cells[nr]
    return found
