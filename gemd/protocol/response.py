"""The response: header line, then the body of a success (specification 0.24.1, "Responses").

Rules: a status is one of the table; META holds no control character and at most 1024 bytes.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from gemd.protocol.characters import fits_header
from gemd.protocol.errors import GeminiError
from gemd.protocol.status import DEFINED, needs_meta

MAX_META = 1024  # older texts' limit, which clients still hold servers to


class Body(Protocol):
    """A body that comes in chunks. `close` is called exactly once, whether or not all were taken.

    Iterating raises BrokenBody when the rest can't be had.
    """

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Let go of everything that the body holds."""


class BrokenBody(Exception):
    """The body ended before it was complete; the text says why. The response gets no close_notify."""


class ClientLeft(BrokenBody):
    """The body is not complete, and nobody waits for it any more."""


class Response(msgspec.Struct, frozen=True):
    """An answer. A body of bytes is small enough to be sent inline; any other is sent by a thread."""

    status: int
    meta: str
    body: bytes | Body = b""


class Later(msgspec.Struct, frozen=True):
    """An answer that may block: `answer` works it out, in a thread of the pool."""

    answer: Callable[[], Response]


def error_response(error: GeminiError) -> Response:
    """The answer that the error stands for."""
    return Response(error.status, error.meta)


@functools.lru_cache(maxsize=256)
def encode_header(status: int, meta: str) -> bytes:
    """The header line with its CRLF. Raises ValueError for what the specification does not allow."""
    if status not in DEFINED:
        raise ValueError(f"status {status} is not defined")
    if needs_meta(status) and not meta:
        raise ValueError(f"status {status} needs a text after it")
    if not fits_header(meta):
        raise ValueError(f"a control character in the text after status {status}")
    encoded = meta.encode()
    if len(encoded) > MAX_META:
        raise ValueError(f"{len(encoded)} bytes after status {status}, at most {MAX_META} are allowed")
    return b"%d %s\r\n" % (status, encoded) if encoded else b"%d\r\n" % status
