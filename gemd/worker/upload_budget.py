"""How much may be on its way to a worker at once: the bytes that uploads have announced, in all and of each client.

Rules: each counts as much as it has announced, and no less than it may hold in memory, until all of it is here or it is
over; nobody has to give way to a client who has as much already.
"""

from collections import Counter

from gemd.protocol.errors import BadRequest, Overloaded

LEAST = 64 * 1024  # bytes that an upload counts as, however small it is


class UploadBudget:
    """At most `most` bytes, and `most_per_client` of one client."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = min(most, most_per_client)
        self._total = 0
        self._by_client: Counter[str] = Counter()

    def check(self, client: str, size: int) -> None:
        """Whether a client may have one more of this size, as far as its own are concerned. Raises Overloaded (41), and
        BadRequest (59) for one that is too large by itself."""
        if size > self._most_per_client:
            raise BadRequest(f"At most {self._most_per_client} bytes can be uploaded at once")
        if self._by_client[client] + _weigh(size) > self._most_per_client and self._by_client[client]:
            raise Overloaded("Too many uploads from your address are under way, try again later", reason="uploads")

    def find_excess(self, client: str, size: int) -> str | None:
        """Who has to give way to a client's new one, for there is too much in all; None where nobody has to. Raises
        Overloaded (41) where nobody has more than this client would have."""
        if not self._total or self._total + _weigh(size) <= self._most:
            return None
        largest = self.largest
        if self._by_client[largest] <= self._by_client[client] + _weigh(size):
            raise Overloaded("Too many uploads are under way, try again later", reason="uploads")
        return largest

    @property
    def largest(self) -> str:
        """The client that has most. Raises ValueError where nobody has any."""
        return max(self._by_client, key=self._by_client.__getitem__)

    def enter(self, client: str, size: int) -> None:
        """One more of this size."""
        self._by_client[client] += _weigh(size)
        self._total += _weigh(size)

    def leave(self, client: str, size: int) -> None:
        """One less."""
        self._total -= _weigh(size)
        self._by_client[client] -= _weigh(size)
        if not self._by_client[client]:
            del self._by_client[client]


def _weigh(size: int) -> int:
    return max(size, LEAST)
