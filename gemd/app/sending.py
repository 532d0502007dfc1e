"""From what a route gives back to what the server takes: the status is said, and the body handed on.

Rules: what is there at once is sent without an event loop; what has to be awaited is given to the server as a coroutine
or an asynchronous iterable, and nothing is awaited here.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from typing import Protocol, TypeGuard

from gemd.app.response import Body, DeferredResponse, Piece, Response, Result, SendStatus
from gemd.responders.app.contract import is_awaitable

Sent = Iterator[Piece | Awaitable[Piece]] | AsyncIterable[Piece]


class _Deferred(Protocol):
    """Twisted's, as far as it is used here."""

    def addCallback(self, callback: Callable[[tuple[int, str]], None], /) -> object:  # noqa: N802, Twisted's name
        """Have the result told to `callback`."""


def send_response(response: object, send_status: SendStatus) -> Sent | Awaitable[Sent]:
    """Say the status of a Response, and give its body. Raises TypeError for what is none, nor has one to be awaited."""
    if isinstance(response, Response):
        send_status(response.status, response.meta)
        return send_body(response.body)
    if isinstance(response, DeferredResponse):
        if _is_deferred(response.send_status):
            return _send_when_fired(response.send_status, response.body, send_status)
        return _await_status(response, send_status)
    if is_awaitable(response):
        return _await_response(response, send_status)
    raise TypeError(f"a route has to return a Response, not {type(response).__name__}")


def send_body(body: Body | None) -> Sent:
    """The pieces of a body, which is closed at the end, or when nobody takes any more."""
    # By its method, which is much faster to look for than the type.
    return body if hasattr(body, "__aiter__") else _send_pieces(body)  # type: ignore[return-value]


def send_result(result: Result) -> Sent | Awaitable[Body | None]:
    """What another application has returned, handed on."""
    return result if is_awaitable(result) else send_body(result)  # type: ignore[return-value, arg-type]


def _send_pieces(body: object) -> Iterator[Piece | Awaitable[Piece]]:
    if isinstance(body, (bytes, str)) or is_awaitable(body):
        yield body  # type: ignore[misc]
    elif body is not None:
        try:
            if body:  # False, as of `query and text`, is none
                yield from body  # type: ignore[misc]
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()


async def _await_response(response: Awaitable[object], send_status: SendStatus) -> Sent:
    sent = send_response(await response, send_status)
    return await sent if is_awaitable(sent) else sent  # type: ignore[return-value]


async def _await_status(response: DeferredResponse, send_status: SendStatus) -> Sent:
    send_status(*await response.send_status)
    return send_body(response.body)


def _is_deferred(thing: object) -> TypeGuard[_Deferred]:
    return hasattr(thing, "addCallback")


def _send_when_fired(
    status: _Deferred, body: Body | None, send_status: SendStatus
) -> Iterator[Piece | Awaitable[Piece]]:
    """As Jetforce does: the body goes on meanwhile, and says itself what it waits for."""
    is_said = False

    def say(result: tuple[int, str]) -> None:
        nonlocal is_said
        send_status(*result)
        is_said = True

    status.addCallback(say)
    yield from _send_pieces(body)
    if not is_said:
        yield status  # type: ignore[misc]
