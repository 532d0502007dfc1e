"""What a worker is answering at the moment: in shared memory, so that it can be told when the worker has crashed.

Rules: host and path are shown, never the query, which is what people type; what is read here was written by a worker
that may have spoilt it, and may be any octets.
"""

import contextlib
import functools
from collections.abc import Iterator

from gemd.protocol.url import Url

MAX_SHOWN = 12  # at once; what begins beyond that is not shown
_ENTRY = 256  # octets: how many follow, and these
SIZE = MAX_SHOWN * _ENTRY


class UnderWay:
    """`memory` has SIZE octets. Only one process writes there, from any of its threads."""

    __slots__ = ("_free", "_memory")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._free = list(range(SIZE - _ENTRY, -1, -_ENTRY))

    def begin(self, url: Url) -> int | None:
        """Something begins to answer this; `end` takes what is returned."""
        try:
            entry = self._free.pop()
        except IndexError:
            return None
        text = _encode(url.host, url.path)
        self._memory[entry : entry + len(text)] = text
        return entry

    def end(self, entry: int | None) -> None:
        """It is done, or has come to where it waits."""
        if entry is not None:
            self._memory[entry] = 0
            self._free.append(entry)

    @contextlib.contextmanager
    def showing(self, url: Url) -> Iterator[None]:
        """Something answers this inside."""
        entry = self.begin(url)
        try:
            yield
        finally:
            self.end(entry)

    def clear(self) -> None:
        """Forget all of it. Runs in the master."""
        for entry in range(0, SIZE, _ENTRY):
            self._memory[entry] = 0

    def read(self) -> list[str]:
        """Host and path of what is under way, at most 255 octets of each, those that are not UTF-8 as escapes."""
        raw = bytes(self._memory)
        texts = [raw[entry + 1 : entry + 1 + raw[entry]] for entry in range(0, SIZE, _ENTRY)]
        return [text.decode("utf-8", "backslashreplace") for text in texts if text]


@functools.lru_cache(maxsize=256)
def _encode(host: str, path: str) -> bytes:
    """What an entry shows, after its number of octets."""
    text = f"{host}{path}".encode()[: _ENTRY - 1]
    return bytes((len(text),)) + text
