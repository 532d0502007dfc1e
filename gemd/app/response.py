"""What a route gives back, and the status codes it may use: the protocol's own table."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gemd.protocol.status import Status

__all__ = ["App", "Body", "Environ", "Response", "SendStatus", "Status", "send_body"]

Environ = dict[str, Any]  # whose entries have the types that gemd.conf(5) lists, and whatever a middleware adds
SendStatus = Callable[[int, str], None]
Body = bytes | str | Iterable[bytes | str | None]
App = Callable[[Environ, SendStatus], Body | None]


@dataclass
class Response:
    """An answer: `status` and `meta` make its header; `body`, for a success, is bytes, a text that is sent as UTF-8, or
    an iterable of these, whose pieces are sent as they come and whose `close`, if it has one, is called at the end."""

    status: int
    meta: str
    body: Body | None = None


def send_body(body: Body | None) -> Iterator[bytes | str | None]:
    """The pieces of a body, which is closed at the end, or when nobody takes any more."""
    if isinstance(body, (bytes, str)):
        yield body
    elif body is not None:
        try:
            yield from body
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
