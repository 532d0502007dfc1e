"""What an application is, and what it may give: Jetforce's contract, as far as types go.

Rule: what can't be sent is refused with a text that tells the author why.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeGuard

Environ = dict[str, object]
SendStatus = Callable[[int, str], None]
App = Callable[[Environ, SendStatus], object]  # what it may return is checked: see `check_result`


# Entries of the environ.
CLIENT = "gemd.client"  # whom limits count the request for
BODY = "titan.body"  # a binary file: what is uploaded


class AppError(Exception):
    """An application does not keep to the contract; the text says how, for the log."""


def is_awaitable(thing: object) -> TypeGuard[Awaitable[object]]:
    """Whether one has to wait for it: a coroutine, or a Deferred."""
    return hasattr(thing, "__await__")


def check_result(result: object) -> Iterable[object]:
    """What an application has returned, as something to iterate over. Raises AppError."""
    if result is None:
        return ()
    if isinstance(result, (bytes, str)):
        return (result,)
    if isinstance(result, Iterable):
        return result
    raise AppError(f"returned {_describe(result)}, not an iterable of bytes or str")


def close_result(result: object) -> Awaitable[object] | None:
    """Have it clean up, where it can: a generator, or what is like one. What is returned has to be awaited for that."""
    if hasattr(result, "aclose"):
        closing = result.aclose()
        return closing if is_awaitable(closing) else None
    close = getattr(result, "close", None)
    if close is not None:
        close()
    return None


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
    return f"an object of type {type(thing).__name__}"
