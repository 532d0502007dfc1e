"""What workers count of responses and events: a part of shared memory for each worker, which only that one writes.

Rules: there is no lock, and a response costs three additions; a part is never cleared, so that who comes next in a row
goes on where the one before ended, however that was, and no sum ever falls; where in a part a host is counted stays
the same for as long as the master lives. What stands here came from workers: the master only adds it up, and who comes
next in a row begins anew what can't be a count.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from gemd.protocol.counters import BOUNDS, BUCKETS, CLASSES, DURATIONS, NOBODY, OTHERS, RESPONDERS
from gemd.responders.attribution import CountPlace
from gemd.system.shared_memory import PAGE, SharedMemory
from gemd.system.tally import NUMBER, name_events

_CELL = 8
_CLASSES = len(CLASSES)
_MICROSECONDS = 1e6

# A part: events; the cells of each responder; for each host one a class.
_RESPONDERS = NUMBER
_HOSTS = _RESPONDERS + len(RESPONDERS) * DURATIONS

_MOST = 1 << 62  # that can be a count: what a worker whose memory was spoilt has left may be more
_SPARE_HOSTS = 64  # that reloads may add, and as many as there are


class HostSlots:
    """Where each host is counted: `names` in the order of their slots, at most `room` of them. One for all generations
    of a master: a host that is gone keeps its slot, so that its counts are there when it comes back, and so does one of
    a reload that failed, whose new workers may have answered already."""

    __slots__ = ("names", "room")

    def __init__(self, room: int = 2) -> None:
        self.names: tuple[str, ...] = (NOBODY, OTHERS)
        self.room = room

    def add(self, hosts: Sequence[str]) -> None:
        """Slots for these as well, as far as there is room. Runs in the master."""
        self.names = tuple(dict.fromkeys((*self.names, *hosts)))[: self.room]

    def find(self, hosts: Sequence[str]) -> dict[str, int]:
        """The slots of these; who has none of its own is with the others."""
        slots = {name: nr for nr, name in enumerate(self.names)}
        return {host: slots.get(host, slots[OTHERS]) for host in hosts}


def make_slots(hosts: Sequence[str]) -> HostSlots:
    """Slots for these, and for as many again."""
    slots = HostSlots(2 + 2 * len(hosts) + _SPARE_HOSTS)
    slots.add(hosts)
    return slots


class Counts:
    """A worker's part, of cells."""

    __slots__ = ("_hosts", "_responders", "events")

    def __init__(self, cells: memoryview) -> None:
        self.events = cells[:NUMBER]
        self._responders = cells[_RESPONDERS:_HOSTS]
        self._hosts = cells[_HOSTS:]

    def count(self, place: CountPlace, status: int, seconds: float) -> None:
        """One more response, which took so long. Runs in the worker."""
        cells, first, kind = self._responders, place.responder, status // 10
        cells[first] += int(seconds * _MICROSECONDS)
        cells[first + 1 + kind * BUCKETS + bisect_left(BOUNDS, seconds)] += 1
        self._hosts[place.host + kind] += 1


class AllCounts:
    """The parts of `size` workers, for as many hosts as there is room for in `slots`."""

    def __init__(self, size: int, slots: HostSlots) -> None:
        cells = _HOSTS + slots.room * _CLASSES
        self._part = -(-cells * _CELL // PAGE) * PAGE
        self._memory = SharedMemory(size * self._part)

    def keep_to(self, nr: int) -> None:
        """Have this process write part `nr` alone, in which it can count whatever was left there. Runs in the worker.
        Raises OSError."""
        self._memory.write_only(nr * self._part, self._part)
        cells = self._cells_of(nr)
        for place, number in enumerate(cells.tolist()):
            if number > _MOST:
                cells[place] = 0

    def of(self, nr: int) -> Counts:
        """Part `nr`."""
        return Counts(self._cells_of(nr))

    def _cells_of(self, nr: int) -> memoryview:
        return self._memory.octets[nr * self._part :][: self._part].cast("Q")

    def sum_up(self, used: int, slots: HostSlots) -> "Sums":
        """All that the first `used` parts have; the others were never written."""
        cells = self._memory.octets.cast("Q")
        step, size = self._part // _CELL, _HOSTS + len(slots.names) * _CLASSES
        parts = [cells[nr * step : nr * step + size].tolist() for nr in range(used)]
        return Sums([sum(column) for column in zip(*parts, strict=True)] if parts else [0] * size, slots)


class Sums:
    """What all workers that ever were have counted."""

    def __init__(self, cells: list[int], slots: HostSlots) -> None:
        self._cells = cells
        self._slots = slots

    def describe(self) -> dict[str, object]:
        """For `gemctl`: without what was never counted. Durations are a list by bucket for each class of status, and
        the seconds of all together."""
        return {
            "responses": self._describe_hosts(),
            "durations": self._describe_responders(),
            "events": name_events(self._cells[:_RESPONDERS]),
        }

    def _describe_hosts(self) -> Mapping[str, object]:
        found = {}
        for nr, name in enumerate(self._slots.names):
            first = _HOSTS + nr * _CLASSES
            numbers = zip(CLASSES, self._cells[first : first + _CLASSES], strict=True)
            counted = {kind: number for kind, number in numbers if number}
            if counted or name != OTHERS:
                found[name] = counted
        return found

    def _describe_responders(self) -> Mapping[str, object]:
        found = {}
        for nr, name in enumerate(RESPONDERS):
            first = _RESPONDERS + nr * DURATIONS
            cells = self._cells[first + 1 : first + DURATIONS]
            numbers = {kind: cells[at * BUCKETS : (at + 1) * BUCKETS] for at, kind in enumerate(CLASSES)}
            counted = {kind: several for kind, several in numbers.items() if any(several)}
            if counted:
                found[name] = {"seconds": self._cells[first] / _MICROSECONDS, **counted}
        return found
