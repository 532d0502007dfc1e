"""Pages that were converted, which are good for as long as their files are what they were."""

from collections.abc import Hashable

from gemd.protocol.response import Response
from gemd.responders.bounded import Bounded

_MAX_SIZE = 16 * 1024 * 1024  # bytes, of all pages in a worker
_OVERHEAD = 1024  # bytes of one for what is not its text


class ConvertedPage(Response, frozen=True):
    """The answer with one, which is not that with a file."""


class ConvertedPages(Bounded[Hashable, bytes]):
    """By a key for each file, in a state that was settled, and its converter."""

    def __init__(self, max_size: int = _MAX_SIZE) -> None:
        super().__init__(max_size, _measure, of="listings")


def _measure(page: bytes) -> int:
    return len(page) + _OVERHEAD
