"""The response: header line, then the body of a success (specification 0.24.1, "Responses").

Rules: a status is one of the table; META holds no control character and at most 1024 bytes.
"""

import functools
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from gemd.protocol.characters import fits_header
from gemd.protocol.errors import GeminiError
from gemd.protocol.status import DEFINED, is_redirect, needs_meta

Target = tuple[int, tuple[object, ...] | str]  # the family of an address, and the address as connect(2) wants it

MAX_META = 1024  # older texts' limit, which clients still hold servers to
META_FORM = f"one line of text, of at most {MAX_META} bytes and without a blank at its beginning"


class ResolveError(Exception):
    """A server has no address; the text says why."""


def when_writable(descriptor: int) -> int:
    """How `descriptors` names one that is waited for until it can be written to."""
    return ~descriptor


class Helper(Protocol):
    """What an answer that is not there yet may ask of the event loop."""

    @property
    def client(self) -> str:
        """For whom it is, as limits count: see `gemd.protocol.peer.Peer.client`."""

    def wake(self) -> None:
        """Look at the answer again. May be called by any thread."""

    def run(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """Have a thread of the pool do this, in this client's turn, and then look again. What is returned gives its
        turn up, if that has not come yet; None when there is no thread."""

    def resolve(self, host: str, port: int) -> Sequence[Target] | None:
        """The addresses of a server, in the order in which they are to be tried; None where they are not known yet, and
        then the answer is looked at again when they are, unless `forget` takes that back. Raises ResolveError."""

    def forget(self, host: str, port: int) -> None:
        """These addresses are waited for no longer."""

    def show(self) -> AbstractContextManager[None]:
        """Inside, something is done for this answer that might bring the process down: whose work it was is shown. For
        any thread."""


class Source(Protocol):
    """A body that comes piece by piece: the event loop asks for a piece whenever the client takes more.

    After `read` has said "not yet" it is asked again once one of its `descriptors` is readable, or can be written to
    where `when_writable` names it, once it has called `wake`, or when its `deadline` (in monotonic seconds) has passed.
    Neither method may ever wait.
    """

    @property
    def descriptors(self) -> Collection[int]:
        """What to watch; asked anew after each "not yet"."""

    @property
    def deadline(self) -> float:
        """When to ask again at the latest; asked anew after each "not yet"."""

    def begin(self, helper: Helper) -> None:
        """Called once, before anything else."""

    def read(self) -> bytes | None:
        """The next bytes, b"" at the end of all of them, None when there are none yet. Raises BrokenBody."""

    def close(self) -> None:
        """Let go of everything. Called exactly once, whether or not the end was reached."""


class Pending(Protocol):
    """An answer whose header is not known yet. It is asked again as a `Source` is, and may become the body itself."""

    @property
    def descriptors(self) -> Collection[int]:
        """What to watch."""

    @property
    def deadline(self) -> float:
        """When to ask again at the latest."""

    def begin(self, helper: Helper) -> None:
        """Called once, before anything else but `close`."""

    def settle(self) -> "Response | Pending | None":
        """The answer, or another one that is pending; None when it is not known yet. Raises GeminiError for one that is
        a refusal, and ClientLeft."""

    def close(self) -> None:
        """Let go of everything. Called exactly once, also where it never began, unless it has become the body."""


class BrokenBody(Exception):
    """The body ended before it was complete; the text says why. The response gets no close_notify."""


class ClientLeft(BrokenBody):
    """The body is not complete, and nobody waits for it any more."""


class Response(msgspec.Struct, frozen=True):
    """An answer. A body of bytes is sent in one piece with its header; a source is pumped to the client."""

    status: int
    meta: str
    body: bytes | Source = b""


Answer = Response | Pending


def error_response(error: GeminiError) -> Response:
    """The answer that the error stands for."""
    return Response(error.status, error.meta)


def is_meta(text: str) -> bool:
    """Whether it has META_FORM."""
    return fits_header(text) and text == text.lstrip() and len(text.encode()) <= MAX_META


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
    return b"%d %s\r\n" % (status, encoded) if encoded or is_redirect(status) else b"%d\r\n" % status
