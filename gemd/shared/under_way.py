"""What a worker is answering at the moment: in shared memory, so that it can be told when the worker has crashed.

Rules: host and path are shown, never the query, which is what people type; what is read here was written by a worker
that may have spoilt it, and may be any octets.
"""

from gemd.protocol.url import Url

PLACES = 12  # for so many at once; what begins when all are taken is not shown
_PLACE = 256  # octets: how many follow, and these
SIZE = PLACES * _PLACE


class UnderWay:
    """`memory` has SIZE octets. Only one process writes there, from any of its threads."""

    __slots__ = ("_free", "_memory")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._free = list(range(SIZE - _PLACE, -1, -_PLACE))

    def begin(self, url: Url) -> int | None:
        """Something begins to answer this; `end` takes what is returned."""
        try:
            place = self._free.pop()
        except IndexError:
            return None
        text = f"{url.host}{url.path}".encode()[: _PLACE - 1]
        size = len(text)
        self._memory[place : place + size + 1] = bytes((size,)) + text
        return place

    def end(self, place: int | None) -> None:
        """It is done, or has come to a place where it waits."""
        if place is not None:
            self._memory[place] = 0
            self._free.append(place)

    def clear(self) -> None:
        """Forget all of it. Runs in the master."""
        for place in range(0, SIZE, _PLACE):
            self._memory[place] = 0

    def read(self) -> list[str]:
        """Host and path of what is under way, at most 255 octets of each, those that are not UTF-8 as escapes."""
        raw = bytes(self._memory)
        texts = [raw[place + 1 : place + 1 + raw[place]] for place in range(0, SIZE, _PLACE)]
        return [text.decode("utf-8", "backslashreplace") for text in texts if text]
