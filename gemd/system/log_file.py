"""Opening the file of a log so that nobody else decides which file that is.

Rules: each directory on the way is looked at when it is open already, links included, and the file is opened beneath
the last one, so that nothing can be put in its place meanwhile; what is no regular file is refused.
"""

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping

from gemd.config.mistake import Mistake
from gemd.system.attempt import attempt
from gemd.system.hindrances import explain_unusable
from gemd.system.makeable import check_makeable

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o640
_MAX_LINKS = 40  # as the kernel has it (path_resolution(7))


class LogError(Mistake):
    """A log can't be opened; the text names it."""


_opened: Mapping[str, int] | None = None  # log files that another process has opened; None where none has


@contextlib.contextmanager
def log_files_opened(descriptors: Mapping[str, int]) -> Iterator[None]:
    """Inside, `open_log_file` takes its files from these, by their paths, and waits for no disk. They were opened by
    `open_log_file` too, with its checks."""
    global _opened
    _opened = descriptors
    try:
        yield
    finally:
        _opened = None


def open_log_file(path: str) -> int:
    """A descriptor that appends to the file at an absolute path, which is made if need be. Raises LogError.

    No directory on the way may be everybody's, unless it is sticky, as /tmp is. Where this process is root's, each has
    to be root's too. That a group may write in one on the way is root's own decision (on Ubuntu, syslog's for
    /var/log), and what it puts there is not root's.
    """
    if _opened is not None:
        if path not in _opened:
            raise LogError(f"can't open the log {path}: nobody has opened it")
        return os.dup(_opened[path])
    with attempt(f"the log {path} could not be opened"), _open_directory(path, os.geteuid()) as directory:
        return _open(path, directory, os.O_CREAT)


def check_log_file(path: str) -> None:
    """Raise LogError for a file that `open_log_file` would not open. Nothing is made."""
    with (
        attempt(f"the place of the log {path} could not be looked at"),
        _open_directory(path, os.geteuid()) as directory,
    ):
        if _has(directory, posixpath.basename(path)):
            os.close(_open(path, directory))
            return
        try:
            check_makeable(f"/proc/self/fd/{directory}/new")
        except OSError as error:
            raise _refusal(path, error) from None


def _has(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:
        pass  # which opening it says
    return True


def _open(path: str, directory: int, flags: int = 0) -> int:
    try:
        descriptor = os.open(posixpath.basename(path), _FLAGS | flags, _MODE, dir_fd=directory)
    except OSError as error:
        raise _refusal(path, error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refusal(path)
    return descriptor


def _refusal(path: str, error: OSError | None = None) -> LogError:
    reason = "it is not a regular file" if error is None else explain_unusable(path, error)
    return LogError(f"can't open the log {path}: {reason}")


@contextlib.contextmanager
def _open_directory(path: str, owner: int) -> Iterator[int]:
    """A descriptor of the directory that has the file, to open it beneath. Raises LogError."""
    with contextlib.ExitStack() as opened:
        try:
            directory = _walk(path, owner, opened)
        except OSError as error:
            raise _refusal(path, error) from None
        yield directory


def _walk(path: str, owner: int, opened: contextlib.ExitStack) -> int:
    """Open one directory after the other, follow links as the kernel would, and look at each."""

    def enter(name: str, directory: int | None = None) -> tuple[int, os.stat_result]:
        descriptor = os.open(name, _STEP, dir_fd=directory)
        opened.callback(os.close, descriptor)
        return descriptor, os.fstat(descriptor)

    names = posixpath.dirname(path).split("/")[::-1]  # the next one is the last
    links = 0
    directory, status = enter("/")
    shown = "/"
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        _check(path, shown, status, owner, is_last=False)
        found, found_status = enter(name, directory)
        if not stat.S_ISLNK(found_status.st_mode):
            directory, status = found, found_status
            shown = posixpath.normpath(posixpath.join(shown, name))
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if owner == 0 and found_status.st_uid != 0:
            raise LogError(f"can't open the log {path} as root: {posixpath.join(shown, name)} is another user's link")
        target = os.readlink("", dir_fd=found)
        names += target.split("/")[::-1]
        if target.startswith("/"):
            directory, status = enter("/")
            shown = "/"
    _check(path, shown, status, owner, is_last=True)
    return directory


def _check(path: str, directory: str, status: os.stat_result, owner: int, *, is_last: bool) -> None:
    """Raise LogError where others could put something in the place of the log, or of a directory that leads to it."""
    if status.st_mode & stat.S_IWOTH and (is_last or not status.st_mode & stat.S_ISVTX):
        raise LogError(f"can't open the log {path}: everyone may write in {directory}; give the logs one of their own")
    if owner == 0 and (status.st_uid != 0 or (is_last and status.st_mode & stat.S_IWGRP)):
        raise LogError(
            f"can't open the log {path} as root: another user may write in {directory}; chown root and chmod g-w it"
        )
