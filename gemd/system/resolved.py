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
_MAX_NAMES = 1024  # in all of them, and on the ways to them: each is looked up, while other clients wait
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES})
_RETRIES = 10  # when a link takes a directory's place, again and again


class Link(msgspec.Struct, frozen=True):
    """A symbolic link that was followed. `names` lead to the directory that it is in, below the root, or below "/"
    where that `is_outside`; of them `kept` are left where it climbs highest, less than none where it leaves the root or
    is absolute."""

    names: tuple[str, ...]
    kept: int
    is_outside: bool = False

    def trace(self, root: int) -> list[Identity]:
        """Every directory on the way from the root, or from "/", to its own. Raises OSError."""
        return list(map(identify, _stat_way(root, self.names, self.is_outside)))


class Resolved(msgspec.Struct, frozen=True):
    """An open file or directory. `names` lead to it below the root, or below "/" where it `is_outside`; `links` are
    those on the way that was asked for."""

    descriptor: int
    status: os.stat_result
    names: tuple[str, ...]
    links: tuple[Link, ...] = ()
    is_outside: bool = False

    def stat_way(self, root: int) -> list[os.stat_result]:
        """What every directory on the way is from the root, or from "/", and what was opened. Raises OSError."""
        way = _stat_way(root, self.names[:-1], self.is_outside)
        if self.names:
            way.append(self.status)
        return way

    def path_from(self, root: str) -> str:
        """Its path, where this is the root's."""
        return os.path.join("/" if self.is_outside else root, *self.names)

    def trace(self, root: int) -> list[Identity]:
        """The same as identities."""
        return list(map(identify, self.stat_way(root)))

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


def identify_path(*names: str) -> Identity | None:
    """What is at a path at the moment; None where there is nothing. Raises OSError where it can't be told."""
    try:
        return identify(os.stat("/".join(names)))
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


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
            found, links = follow_links(root, names)
            return _open(root, found, is_read, links)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _open(
    root: int, names: Sequence[str], is_read: bool, links: Sequence[Link] = (), *, is_outside: bool = False
) -> Resolved:
    descriptor = open_beneath(root, names, "none", is_read=is_read)
    return Resolved(descriptor, os.fstat(descriptor), tuple(names), tuple(links), is_outside)


def _open_anywhere(root: int, path: str, names: Sequence[str], is_read: bool) -> Resolved:
    top = tuple(name for name in os.path.realpath(path, strict=True).split("/") if name)
    base = open_root("/")
    try:
        found, followed = follow_links(base, (*top, *names), may_leave=True)
        links = [_seen_from(top, link) for link in followed]
        if tuple(found[: len(top)]) == top:
            return _open(root, found[len(top) :], is_read, links)
        return _open(base, found, is_read, links, is_outside=True)
    finally:
        os.close(base)


def _seen_from(top: tuple[str, ...], link: Link) -> Link:
    """A link whose directory has its names from "/", by its names below the root if it is there."""
    if link.names[: len(top)] != top:
        return Link(link.names, link.kept, is_outside=True)
    return Link(link.names[len(top) :], link.kept - len(top))


def follow_links(root: int, names: Sequence[str], *, may_leave: bool = False) -> tuple[list[str], list[Link]]:
    """The names without a link that `names` stand for at the moment, beneath `root`, and the links that were followed.

    Where links `may_leave`, `root` is "/", which is where an absolute one leads. Raises OSError: EXDEV for a way out,
    ELOOP for too many links, ENAMETOOLONG for too many names in them, or what readlink(2) says.
    """
    done: list[str] = []
    waiting = [(name, -1) for name in reversed(names)]  # with the number of the link that it is a part of
    links: list[Link] = []
    budget = _MAX_NAMES
    while waiting:
        name, number = waiting.pop()
        if name == "..":
            if not done and not may_leave:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            del done[-1:]
            if number >= 0 and len(done) < links[number].kept:
                links[number] = msgspec.structs.replace(links[number], kept=len(done))
        elif name not in ("", "."):
            target = _read_link("/".join((*done, name)), root)
            if target is None:
                done.append(name)
                continue
            is_absolute = target.startswith("/")
            if (is_absolute and not may_leave) or len(links) >= _MAX_LINKS:
                code = errno.ELOOP if len(links) >= _MAX_LINKS else errno.EXDEV
                raise OSError(code, os.strerror(code))
            parts = target.split("/")
            budget -= len(done) + len(parts)
            if budget < 0:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            waiting.extend((part, len(links)) for part in reversed(parts))
            links.append(Link(tuple(done), -1 if is_absolute else len(done)))
            if is_absolute:
                done.clear()
    return done, links


def _stat_way(root: int, names: Sequence[str], is_outside: bool) -> list[os.stat_result]:
    """One directory after the other: by their paths each would be looked up through all of those before."""
    directory = open_root("/") if is_outside else root
    try:
        way = [os.fstat(directory)]
        for name in names:
            parent, directory = directory, os.open(name, _DIRECTORY, dir_fd=directory)
            if parent != root:
                os.close(parent)
            way.append(os.fstat(directory))
    finally:
        if directory != root:
            os.close(directory)
    return way


def _read_link(path: str, root: int) -> str | None:
    """Where a link leads; None for what is no link."""
    try:
        return os.readlink(path, dir_fd=root)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
