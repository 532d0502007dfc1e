"""What names lead to below a root, opened, and by which names it is reached without any symbolic link.

Rule: it is opened by the latter (RESOLVE_NO_SYMLINKS). So what is decided by them, or by the directories that they go
through, is decided about what was opened, whoever changes a link meanwhile.
"""

import errno
import os
from collections.abc import Sequence

import msgspec

from gemd.config.types import Symlinks
from gemd.system.beneath import open_beneath, open_directory, open_root

Identity = tuple[int, int]  # device and inode

_MAX_LINKS = 40  # as many as Linux follows
_RETRIES = 10  # when a link takes a directory's place, again and again


class Resolved(msgspec.Struct, frozen=True):
    """An open file or directory. `names` lead to it below the root, or below "/" where it `is_outside`."""

    descriptor: int
    status: os.stat_result
    names: tuple[str, ...]
    has_links: bool = False
    is_outside: bool = False

    def trace(self, root: int) -> list[Identity]:
        """Every directory on the way from the root, or from "/", and what was opened. Raises OSError."""
        base = open_root("/") if self.is_outside else root
        try:
            way = [identify(os.fstat(base))]
            path = ""
            for name in self.names[:-1]:
                path = f"{path}/{name}" if path else name
                way.append(identify(os.stat(path, dir_fd=base, follow_symlinks=False)))
        finally:
            if self.is_outside:
                os.close(base)
        if self.names:
            way.append(identify(self.status))
        return way

    def open_parent(self, root: int) -> int:
        """The directory that it is in under the last of its names. Raises OSError, also where it is there no more."""
        base = open_root("/") if self.is_outside else root
        try:
            directory = open_directory(base, self.names[:-1])
        finally:
            if self.is_outside:
                os.close(base)
        try:
            found = os.stat(self.names[-1], dir_fd=directory, follow_symlinks=False)
            if identify(found) != identify(self.status):
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError:
            os.close(directory)
            raise
        return directory


def identify(status: os.stat_result) -> Identity:
    """What a file or directory is, whatever it is called."""
    return status.st_dev, status.st_ino


def open_resolved(root: int, path: str, names: Sequence[str], symlinks: Symlinks, *, is_read: bool = True) -> Resolved:
    """Open for reading what `names` lead to below the directory descriptor `root`, whose path is `path`. What is not to
    be read need not be readable.

    Raises OSError as `open_beneath` does.
    """
    for _ in range(_RETRIES):
        try:
            return _open(root, names, is_read)
        except OSError as error:
            if error.errno != errno.ELOOP or symlinks == "none":
                raise
        # The kernel decides whether its links may be followed.
        os.close(open_beneath(root, names, symlinks, is_read=is_read))
        try:
            if symlinks == "any":
                return _open_anywhere(root, path, names, is_read)
            return _open(root, follow_links(root, names), is_read, has_links=True)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _open(
    root: int, names: Sequence[str], is_read: bool, *, has_links: bool = False, is_outside: bool = False
) -> Resolved:
    descriptor = open_beneath(root, names, "none", is_read=is_read)
    return Resolved(descriptor, os.fstat(descriptor), tuple(names), has_links, is_outside)


def _open_anywhere(root: int, path: str, names: Sequence[str], is_read: bool) -> Resolved:
    top = _split(os.path.realpath(path, strict=True))
    found = _split(os.path.realpath("/".join((path, *names)), strict=True))
    if found[: len(top)] == top:
        return _open(root, found[len(top) :], is_read, has_links=True)
    base = open_root("/")
    try:
        return _open(base, found, is_read, has_links=True, is_outside=True)
    finally:
        os.close(base)


def _split(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def follow_links(root: int, names: Sequence[str]) -> list[str]:
    """The names without a link that `names` stand for at the moment, beneath `root`.

    Raises OSError: EXDEV for a way out, ELOOP for too many links, or what readlink(2) says.
    """
    done: list[str] = []
    waiting = list(reversed(names))
    links = 0
    while waiting:
        name = waiting.pop()
        if name == "..":
            if not done:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            done.pop()
        elif name not in ("", "."):
            done.append(name)
            target = _read_link("/".join(done), root)
            if target is None:
                continue
            links += 1
            if target.startswith("/") or links > _MAX_LINKS:
                number = errno.EXDEV if target.startswith("/") else errno.ELOOP
                raise OSError(number, os.strerror(number))
            done.pop()
            waiting.extend(reversed(target.split("/")))
    return done


def _read_link(path: str, root: int) -> str | None:
    """Where a link leads; None for what is no link."""
    try:
        return os.readlink(path, dir_fd=root)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
