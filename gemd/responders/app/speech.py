"""What an application says in one call, step by step: a piece of its body, or something that has to be awaited first.

Rules: what it returns may be awaitable, and so may a piece; a body may be an asynchronous iterable; who runs it decides
how one waits. Whatever it returned is closed in the end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator

from gemd.responders.app.contract import (
    App,
    Environ,
    SendStatus,
    check_result,
    close_result,
    encode_chunk,
    is_awaitable,
)

Outcome = tuple[object, BaseException | None]  # what was awaited has come to this value, or to this error
Cancel = Callable[[], None]
Wait = Callable[[Awaitable[object], Callable[[Outcome], None]], Outcome | Cancel]
"""How one waits: the outcome, when it is there; else how to have it given up, and later it is told.

`Wait(awaitable, then)` runs in a thread of the application's, which also calls `then`.
"""

_PIECES = (list, tuple, bytes, str, type(None))


class Speech:
    """One call. `is_list` says that all of the body is there at once."""

    def __init__(self, app: App, environ: Environ, send_status: SendStatus) -> None:
        self.is_list = False
        self._result: object = None
        self._steps = self._speak(app, environ, send_status)

    def go_on(self, outcome: Outcome | None) -> bytes | Awaitable[object] | None:
        """The next piece, or what to await; None at the end. `outcome` is that of what was to be awaited before.

        Raises what the application raises, and AppError.
        """
        try:
            if outcome is None:
                return next(self._steps)
            value, error = outcome
            return self._steps.send(value) if error is None else self._steps.throw(error)
        except StopIteration:
            return None

    def close(self) -> Awaitable[object] | None:
        """Nothing more is wanted: have it clean up. What is returned has to be awaited for that."""
        self._steps.close()
        return close_result(self._result)

    def _speak(
        self, app: App, environ: Environ, send_status: SendStatus
    ) -> Generator[bytes | Awaitable[object], object, None]:
        result: object = app(environ, send_status)
        while is_awaitable(result):
            self._result = result
            result = yield result
        self._result = result
        self.is_list = isinstance(result, _PIECES)
        if hasattr(result, "__aiter__"):
            iterator = aiter(result)
            while pieces := (yield _take_next(iterator)):
                assert isinstance(pieces, tuple)
                yield encode_chunk(pieces[0])
            return
        for piece in check_result(result):
            chunk = piece
            while is_awaitable(chunk):
                chunk = yield chunk
            yield encode_chunk(chunk)


async def _take_next(iterator: AsyncIterator[object]) -> tuple[object, ...]:
    """The next one, alone; nothing at the end."""
    try:
        return (await anext(iterator),)
    except StopAsyncIteration:
        return ()
