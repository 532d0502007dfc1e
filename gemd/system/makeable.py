"""Whether something could be made at a path, found out without making it.

Rule: what stands in the way is the error that making it would raise, so that it is told in the same words.
"""

import errno
import os
import stat


def check_makeable(path: str | os.PathLike[str]) -> None:
    """Raise the OSError of who makes a file or directory at this path, as the user of this process."""
    directory = os.path.dirname(os.fspath(path)) or "."
    try:
        mode = os.stat(directory).st_mode
    except OSError as error:
        raise _fault(error.errno or errno.EIO, path) from None
    if not stat.S_ISDIR(mode):
        raise _fault(errno.ENOTDIR, path)
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        raise _fault(errno.EROFS, path)
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        raise _fault(errno.EACCES, path)


def check_directory_makeable(path: str | os.PathLike[str]) -> None:
    """The same of who makes a directory with all those on the way to it, and something in it; of the first that is not
    there."""
    missing = os.path.join(path, "new")
    while not os.path.lexists(parent := os.path.dirname(missing)):
        missing = parent
    check_makeable(missing)


def _fault(number: int, path: str | os.PathLike[str]) -> OSError:
    return OSError(number, os.strerror(number), os.fspath(path))
