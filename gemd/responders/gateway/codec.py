"""What a worker says to an upstream, and what it makes of what comes back: octets in, octets out.

Rule: whatever the upstream speaks, what comes out is a response of Gemini, its header line and then its body.
"""

from typing import Protocol


class CodecError(Exception):
    """What came is no answer, or not all of one; the text says why, in words fit for a log line."""


class BadAnswer(CodecError):
    """It is an answer, and one that nothing can be made of: the upstream is there, and may answer others."""


class UploadFault(CodecError):
    """What is uploaded can't be sent on, by no fault of the upstream."""


class RequestBody(Protocol):
    """What is uploaded to an upstream, `size` bytes."""

    size: int

    @property
    def is_over(self) -> bool:
        """Whether all of it was taken."""

    def take(self) -> bytes:
        """The next piece; b"" where there is none yet, or none any more. Raises UploadFault."""


class Codec(Protocol):
    """One exchange with one upstream."""

    @property
    def is_complete(self) -> bool:
        """Whether the answer is whole, so that nothing more is waited for."""

    @property
    def has_more(self) -> bool:
        """Whether `feed` held something back, so as to give little at a time: it goes on with b"", and nothing more is
        received before."""

    def take(self) -> bytes:
        """What is to be sent next; b"" where nothing is."""

    def take_upload(self) -> bytes:
        """What is to be sent next of an upload, when all else was sent; b"" where nothing is, or not yet. Raises
        CodecError."""

    def feed(self, data: bytes) -> bytes:
        """What is new of the answer by what has come. Raises CodecError."""

    def end(self) -> None:
        """The upstream has closed its side. Raises CodecError unless the answer is whole by that."""

    def complaints(self) -> bytes:
        """What it has said besides, which belongs in the error log."""
