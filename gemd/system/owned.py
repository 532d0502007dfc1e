"""Opening what belongs to one user all the way: from the directory that is in a home down to a file.

Rules: each directory on the way is opened in the one before, without following a link, and what was opened is looked
at (fstat), so that nobody can put something else in its place; a link is followed by its name, and leads to nowhere
else than below the same directory.
"""

import errno
import os
import stat
from collections.abc import Sequence

from gemd.config.types import Symlinks
from gemd.system.beneath import open_root
from gemd.system.resolved import Link, Resolved, follow_links

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY  # as for all that is served
_SEEN = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW
_LINKS = frozenset({errno.ELOOP, errno.ENOTDIR})  # what a link on the way looks like
_RETRIES = 10  # when a link takes a directory's place, again and again


class OwnedFile(Resolved, frozen=True):
    """An open file or directory, and what every directory on the way to it was when it was opened."""

    way: tuple[os.stat_result, ...] = ()

    def stat_way(self, root: int) -> list[os.stat_result]:
        """What every directory on the way was, and what was opened."""
        return list(self.way)


def open_home(home: str, names: Sequence[str], owner: int) -> int:
    """A descriptor of the directory that `names` lead to in a home, to open things beneath it. From the first of them
    on all has to be the owner's, and no link. Raises OSError."""
    directory = open_root(home)
    for name in names:
        parent = directory
        try:
            directory = _open_step(parent, name, _DIRECTORY, owner)[0]
        finally:
            os.close(parent)
    return directory


def open_owned(root: int, names: Sequence[str], symlinks: Symlinks, owner: int, *, is_read: bool = True) -> OwnedFile:
    """Open for reading what `names` lead to below the directory descriptor `root`, which is the owner's, as all on the
    way has to be. What is not to be read need not be readable.

    Raises OSError as `open_beneath` does, and EACCES for what is somebody else's. No policy has links lead out.
    """
    if ".." in names:
        raise _error(errno.EXDEV)
    links: Sequence[Link] = ()
    found = tuple(names)
    for _ in range(_RETRIES):
        try:
            return _walk(root, found, owner, links, _READ if is_read else _SEEN)
        except OSError as error:
            if error.errno not in _LINKS or symlinks == "none":
                raise
            real, links = follow_links(root, names)
            if tuple(real) == found:  # there is no link
                raise
            found = tuple(real)
    raise _error(errno.EAGAIN)


def _walk(root: int, names: tuple[str, ...], owner: int, links: Sequence[Link], flags: int) -> OwnedFile:
    way = [os.fstat(root)]
    if way[0].st_uid != owner:
        raise _error(errno.EACCES)
    directory = root
    for depth, name in enumerate(names, 1):
        parent = directory
        try:
            directory, status = _open_step(parent, name, flags if depth == len(names) else _DIRECTORY, owner)
        finally:
            if parent != root:
                os.close(parent)
        way.append(status)
    if not names:
        directory = os.open(".", flags, dir_fd=root)
    return OwnedFile(directory, way[-1], names, tuple(links), way=tuple(way))


def _open_step(directory: int, name: str, flags: int, owner: int) -> tuple[int, os.stat_result]:
    """What a name leads to in a directory, opened, and what it is. Raises OSError where it is not the owner's."""
    if "/" in name:
        raise _error(errno.EINVAL)
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISLNK(status.st_mode):  # the link itself can be opened so
            raise _error(errno.ELOOP)
        if status.st_uid != owner:
            raise _error(errno.EACCES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, status


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
