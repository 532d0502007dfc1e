"""What an application is, and what it may give: Jetforce's contract, as far as types go.

Rule: what can't be sent is refused with a text that tells the author why.
"""

from collections.abc import Callable, Iterable

Environ = dict[str, object]
SendStatus = Callable[[int, str], None]
App = Callable[[Environ, SendStatus], bytes | str | Iterable[bytes | str | None] | None]


class AppError(Exception):
    """An application does not keep to the contract; the text says how, for the log."""


def check_result(result: object) -> Iterable[bytes | str | None]:
    """What an application has returned, as something to iterate over. Raises AppError."""
    if result is None:
        return ()
    if isinstance(result, (bytes, str)):
        return (result,)
    if isinstance(result, Iterable):
        return result
    raise AppError(f"returned {_describe(result)}, not an iterable of bytes or str")


def close_result(result: object) -> None:
    """Have it clean up, where it can: a generator, or what is like one."""
    close = getattr(result, "close", None)
    if close is not None:
        close()


def encode_chunk(chunk: object) -> bytes:
    """A piece of the body; None is none. Raises AppError, and UnicodeEncodeError for lone surrogates."""
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    if chunk is None:
        return b""
    if isinstance(chunk, (bytearray, memoryview)):
        return bytes(chunk)
    raise AppError(f"gave {_describe(chunk)} where bytes or str were expected")


def _describe(thing: object) -> str:
    if hasattr(thing, "addCallback"):
        return "a Deferred (there is no reactor here: wait for the result, in a thread of app-threads if need be)"
    if hasattr(thing, "cr_await") or hasattr(thing, "__aiter__"):
        return "a coroutine (there is no event loop here: call asyncio.run, or write it without async)"
    return f"an object of type {type(thing).__name__}"
