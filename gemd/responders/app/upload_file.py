"""The body of an upload, as an application reads it: a binary file, from its beginning to its end.

Rule: it is the call's: a descriptor of its own, with a place of its own in the file, which is closed with the call.
"""

import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 64 * 1024  # bytes


class UploadFile(io.RawIOBase):
    """Reads the file of this descriptor, which is its own from then on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The file, which is at its beginning for others."""
        self._check()
        return self._descriptor

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Raises OSError, and ValueError once it is closed."""
        self._check()
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Raises ValueError for a place before the beginning, and once it is closed."""
        self._check()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._descriptor).st_size}
        at = bases[whence] + offset
        if at < 0:
            raise ValueError(f"negative seek position {at}")
        self._at = at
        return at

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file: an upload is there until its answer is over")

    def close(self) -> None:
        """Let go of the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def open_upload(descriptor: int | None) -> BinaryIO:
    """A body, whose descriptor becomes the file's own; None for one of no bytes."""
    if descriptor is None:
        return io.BytesIO()
    return cast(BinaryIO, io.BufferedReader(UploadFile(descriptor), _BUFFER))
