"""The body of an application's answer that goes on while it is sent.

Rule: it ends when the application has no more to say, when its time is over, or when its client or worker leaves.
"""

import time
from collections.abc import Iterator
from typing import Protocol

from gemd.protocol.response import BrokenBody, ClientLeft
from gemd.system.client_socket import has_left
from gemd.system.deadline import Deadline

_CHECK_INTERVAL = 1.0  # seconds at most between two looks at whether everything has to end


class Source(Protocol):
    """A call that goes on. `client` is a descriptor that hangs up when the client leaves, -1 for none."""

    deadline: Deadline
    client: int

    @property
    def name(self) -> str:
        """The application's."""

    @property
    def last_moment(self) -> float | None:
        """When everything ends, in monotonic seconds."""

    def take(self, seconds: float) -> bytes | None:
        """What has come, waiting for at most `seconds`; b"" at the end. Raises BrokenBody."""

    def abandon(self) -> None:
        """Nobody listens any longer."""


class Stream:
    """The body of a call that goes on, is large, or breaks off."""

    def __init__(self, call: Source) -> None:
        self._call = call
        self._is_done = False

    def __iter__(self) -> Iterator[bytes]:
        """Chunks as they come. Raises BrokenBody when the application fails, or takes too long."""
        call, name = self._call, self._call.name
        while not self._is_done:
            if call.deadline.has_passed():
                raise BrokenBody(f"the application {name} took too long (timeouts.app)")
            end = call.last_moment
            if has_come(end):  # as planned, so that it is no warning
                raise ClientLeft(f"the application {name} goes on, and its worker ends")
            until_end = _CHECK_INTERVAL if end is None else max(0.0, end - time.monotonic())
            data = call.take(min(_CHECK_INTERVAL, call.deadline.remaining(), until_end))
            self._is_done = data == b""
            if data:
                yield data
            elif data is None and has_left(call.client):
                raise ClientLeft("the client left")

    def close(self) -> None:
        """Tell the application that nobody listens any more."""
        if not self._is_done:
            self._call.abandon()


def has_come(moment: float | None) -> bool:
    """Whether it is that late, in monotonic seconds; None never comes."""
    return moment is not None and time.monotonic() >= moment
