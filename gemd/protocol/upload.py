"""Uploads by Titan: what a client announces in its request line, and who takes the body that follows it.

Rules: whatever can be refused without the body is refused before it is read; a body is never held in memory, and means
nothing until all of it is here.
"""

from abc import ABC, abstractmethod

import msgspec

from gemd.protocol.response import Answer, Helper

MAX_TAKEN = 32 * 1024  # bytes of a body at once


class UploadBody(msgspec.Struct, frozen=True):
    """All of a body: `size` bytes of a file that can be read and sought by `descriptor`. Whoever has made it closes it
    when the answer is over; who needs it for longer makes a copy of the descriptor."""

    descriptor: int
    size: int


class Upload(msgspec.Struct, frozen=True):
    """What a request says of its upload. `media_type` may have parameters. With `is_edit` there is no body, and what is
    asked for is the text to be edited. `body` is there once all of it has come."""

    size: int = 0
    media_type: str = "text/gemini"
    token: str | None = None
    is_edit: bool = False
    body: UploadBody | None = None


class Intake(ABC):
    """An answer that takes the body of an upload first. The event loop gives it what the client sends, and no more than
    `size` bytes in all. No method may ever wait.

    A class, so that it is told from other answers at next to no cost: whoever takes a body derives from it.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes the client has announced."""

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it takes more at the moment; if not, it wakes its connection when it does."""

    @abstractmethod
    def begin(self, helper: Helper) -> None:
        """Called once, before anything else but `close`."""

    @abstractmethod
    def take(self, data: bytes) -> None:
        """The next bytes, at most MAX_TAKEN. Raises GeminiError where it is a refusal: then nothing is kept."""

    @abstractmethod
    def finish(self) -> Answer:
        """All `size` bytes were given: what is answered. Raises GeminiError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything. Called exactly once: as soon as it is refused or broken off, else when the answer that
        `finish` has given is over."""
