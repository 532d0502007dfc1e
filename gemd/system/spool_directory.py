"""The directory for uploads on their way to a program: files without a name, which are gone with whoever has them open.

Rules: it is opened once, by its path, and then reached by its descriptor alone, whatever directory a process is shut
in; whoever has a file may open it for reading by /dev/stdin, as another user too.
"""

import contextlib
import errno
import os
import secrets

from gemd.system.unnamed_file import open_unnamed

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_READABLE = 0o444


class SpoolDirectory:
    """The open directory `descriptor`, which is this object's from then on; `path` is for people."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.path = path
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The open directory."""
        return self._descriptor

    def make_file(self, size: int = 0) -> int:
        """A new file, open for reading and writing, that has no name and never gets one, and has room for so many
        bytes. May wait for a disk. Raises OSError."""
        room = os.statvfs(self._descriptor)
        if room.f_blocks and room.f_bavail * room.f_frsize < size:  # some file systems tell nothing of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        descriptor = self._open()
        try:
            os.fchmod(descriptor, _READABLE)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _open(self) -> int:
        unnamed = open_unnamed(self._descriptor, 0o600, os.O_EXCL)
        if unnamed is not None:
            return unnamed
        name = f".gemd-spool-{secrets.token_hex(8)}"
        descriptor = os.open(name, _FLAGS, 0o600, dir_fd=self._descriptor)
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def close(self) -> None:
        """Close it. Files that are open stay so."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def open_spool_directory(path: str) -> SpoolDirectory:
    """The directory at this path. Raises OSError."""
    return SpoolDirectory(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), path)
