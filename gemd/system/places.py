"""Places that clients share, such as threads or running scripts: who has one, and who is next.

Rules: clients take turns, however much each of them wants; who has the fewest places is next. None ever has more than
it may.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable

StartNow = Callable[["Place"], None]  # told of the place that somebody has now


def find_share(number: int) -> int:
    """How many of so many places a client may have, so that two never have all, where there are three at least."""
    return max(1, (number - 1) // 2)


class Places:
    """`number` places, of which one client may have `max_per_client`. `taken` is how many somebody has."""

    def __init__(self, number: int, max_per_client: int) -> None:
        self.max_per_client = max_per_client
        self._number = number
        self._taken: Counter[str] = Counter()  # by client
        self.taken = 0  # by all of them
        self._waiting: dict[str, deque[Place]] = {}  # by client, the next one first
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def count_waiting(self, client: str) -> int:
        """How many of them are this client's."""
        with self._lock:
            return len(self._waiting.get(client, ()))

    def has_share_left(self, client: str) -> bool:
        """Whether a client has and waits for fewer places than it may have."""
        with self._lock:
            return self._taken[client] + len(self._waiting.get(client, ())) < self.max_per_client

    @property
    def are_taken(self) -> bool:
        """Whether whoever comes now has to wait."""
        return self.taken >= self._number

    def request(self, client: str, then: StartNow) -> "Place":
        """Have `then` called once this client has the place: at once, or later in the thread that leaves one."""
        place = Place(self, client, then)
        with self._lock:
            self._waiting.setdefault(client, deque()).append(place)
        self._grant()
        return place

    def leave(self, place: "Place") -> None:
        """Give a place back, or wait for it no longer. `then` is not called any more, unless it is being called."""
        client = place.client
        with self._lock:
            is_taken = place.is_taken
            if is_taken:
                self.taken -= 1
                self._taken[client] -= 1
                if not self._taken[client]:
                    del self._taken[client]
        if is_taken:
            self._grant()
        else:
            self.withdraw(place)

    def withdraw(self, place: "Place") -> bool:
        """Wait for a place no longer; False where somebody has it by now, or has left it."""
        with self._lock:
            waiting = self._waiting.get(place.client)
            if waiting is None or place not in waiting:
                return False
            waiting.remove(place)
            if not waiting:
                del self._waiting[place.client]
        return True

    def _grant(self) -> None:
        """Give free places to those whose turn it is, and tell them when the lock is free again."""
        granted = []
        with self._lock:
            while self.taken < self._number and (place := self._take_next()) is not None:
                place.is_taken = True
                self.taken += 1
                self._taken[place.client] += 1
                granted.append(place)
        for place in granted:
            place.then(place)

    def _take_next(self) -> "Place | None":
        """Who has the fewest places is next; of those, who has waited for longest."""
        client = min(self._waiting, key=self._taken.__getitem__, default="")
        if client not in self._waiting or self._taken[client] >= self.max_per_client:
            return None
        places = self._waiting.pop(client)
        place = places.popleft()
        if places:
            self._waiting[client] = places  # behind the others
        return place


class Place:
    """A place that a client has, or waits for."""

    __slots__ = ("_places", "client", "is_taken", "then")

    def __init__(self, places: Places, client: str, then: StartNow) -> None:
        self.client = client
        self.then = then
        self.is_taken = False
        self._places = places

    def leave(self) -> None:
        """Give it back, or wait for it no longer. To be called once."""
        self._places.leave(self)

    def withdraw(self) -> None:
        """Wait for it no longer, if somebody still does. Whoever has it goes on."""
        self._places.withdraw(self)
