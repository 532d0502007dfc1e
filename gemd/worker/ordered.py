"""Connections in the order in which they came into a state.

Rule: where all have the same time for it, the oldest is the next whose time is over.
"""

import math
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar


class Member(Protocol):
    """What can be in a state, until its deadline, in monotonic seconds."""

    state: "Ordered[Any] | None"
    deadline: float


T = TypeVar("T", bound=Member)


class Ordered(Generic[T]):
    """Those in one state, oldest first; a member is in one at a time."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[T, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._members))

    def __contains__(self, member: T) -> bool:
        return member.state is self

    def add(self, member: T) -> None:
        """As the newest, also one that is here already; one that is in another state leaves that."""
        if member.state is not None:
            member.state.remove(member)
        member.state = self
        self._members[member] = None

    def remove(self, member: T) -> None:
        """Nothing happens if it is not here."""
        if member.state is self:
            member.state = None
            del self._members[member]

    def oldest(self) -> T:
        """Raises StopIteration where there is none."""
        return next(iter(self._members))

    def next_deadline(self) -> float:
        """The first deadline that will pass, in monotonic seconds; never, where nobody is here."""
        return next(iter(self._members)).deadline if self._members else math.inf

    def expired(self, now: float) -> list[T]:
        """Those whose deadline has passed, up to the first whose has not."""
        late: list[T] = []
        if not self._members:
            return late
        for member in self._members:
            if member.deadline > now:
                break
            late.append(member)
        return late
