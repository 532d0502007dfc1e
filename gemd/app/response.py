"""What a route gives back, and the status codes it may use: the protocol's own table."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gemd.protocol.status import Status

__all__ = ["App", "Body", "DeferredResponse", "Environ", "Piece", "Response", "Result", "SendStatus", "Status"]

Environ = dict[str, Any]  # whose entries have the types that gemd.conf(5) lists, and whatever a middleware adds
SendStatus = Callable[[int, str], None]
Piece = bytes | str | None
Body = bytes | str | Awaitable[Piece] | Iterable[Piece | Awaitable[Piece]] | AsyncIterable[Piece]
Result = Body | Awaitable[Body | None] | None
App = Callable[[Environ, SendStatus], Result]


@dataclass
class Response:
    """An answer: `status` and `meta` make its header; `body`, for a success, is bytes, a text that is sent as UTF-8, or
    an iterable of these, whose pieces are sent as they come and whose `close`, if it has one, is called at the end.

    It may be an asynchronous iterable as well. A Deferred, as body or piece, needs Twisted's reactor.
    """

    status: int
    meta: str
    body: Body | None = None


@dataclass
class DeferredResponse:
    """An answer whose header is not known yet: `send_status` is awaited, and gives status and meta.

    Where it is a Deferred, the body is begun at once and may wait for the same thing.
    """

    send_status: Awaitable[tuple[int, str]]
    body: Body | None
