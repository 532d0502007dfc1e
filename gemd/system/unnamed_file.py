"""Files without a name (O_TMPFILE, open(2)): gone with their last descriptor, where their file system has such."""

import errno
import os

_UNKNOWN = frozenset({errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP})


def open_unnamed(directory: int, mode: int, flags: int = 0) -> int | None:
    """A new one in an open directory, to be read and written; with the flag O_EXCL it can never be given a name. None
    where there are none. Raises OSError."""
    try:
        return os.open(".", os.O_RDWR | os.O_CLOEXEC | os.O_TMPFILE | flags, mode, dir_fd=directory)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    return None
