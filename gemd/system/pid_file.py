"""The pid file, and the lock that says whose it is.

Rules: the lock is held for as long as a master lives, on a file of its own beside the pid file, and passes from an old
master to a new one with its descriptor; the pid file is replaced whole, so that whoever looks finds the one number or
the other. What a pid file says is never trusted, only shown.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from gemd.config.mistake import Mistake
from gemd.system.makeable import check_makeable


class PidFileError(Mistake):
    """The pid file can't be used; the text says what to change."""


class AlreadyRunning(PidFileError):
    """Another master holds the lock."""


class PidFile:
    """A locked pid file. `lock` is the descriptor that holds the lock."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock

    def check_writable(self) -> None:
        """Raise PidFileError unless this process could write the file by now."""
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            directory = f"give it a directory of its own that uid {os.geteuid()} may write"
            raise PidFileError(f"the pid file {self.path} can't be replaced: {directory}")

    def write(self) -> None:
        """Put this process's pid into the file. Raises PidFileError."""
        import tempfile  # where there is to be such a file

        try:
            descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        except OSError as error:
            raise PidFileError(f"can't write the pid file {self.path}: {error.strerror}") from None
        try:
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(descriptor, 0o644)
                file.write(f"{os.getpid()}\n")
            os.replace(temporary, self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise PidFileError(f"can't write the pid file {self.path}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the file if it still names this process; the lock file stays, for a lock on a removed file is none."""
        with contextlib.suppress(OSError):
            if _read_pid(self.path) == os.getpid():
                os.unlink(self.path)

    def close(self) -> None:
        """Let go of the descriptor; the lock goes with its last copy."""
        os.close(self.lock)


def find_lock(path: Path) -> Path:
    """The file beside a pid file that is locked."""
    return path.with_name(path.name + ".lock")


def lock_pid_file(path: Path, owner: tuple[int, int] | None = None) -> PidFile:
    """Take the lock beside `path`. Makes the directory if need be, for `owner` (uid, gid) if given.

    Raises AlreadyRunning, naming who holds it, and PidFileError.
    """
    lock_path = find_lock(path)
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o755)
            if owner is not None:
                os.chown(path.parent, *owner)
        lock = _open_lock(path, os.O_CREAT)
    except OSError as error:
        raise _explain(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if owner is not None:
            os.fchown(lock, *owner)  # the next start may be the user's own
    except BlockingIOError:
        os.close(lock)
        pid = _read_pid(path)
        holder = f"pid {pid}" if pid else "its pid is not known yet"
        raise AlreadyRunning(f"another gemd runs already ({holder}) and holds {path}") from None
    except OSError as error:
        os.close(lock)
        raise PidFileError(f"can't lock the pid file {path}: {error.strerror}: {lock_path}") from None
    return PidFile(path, lock)


def check_pid_file(path: Path) -> None:
    """Raise PidFileError where `lock_pid_file` would, but for another master's lock. Nothing is made or locked."""
    try:
        if not path.parent.exists():
            check_makeable(path.parent)
            return
        try:
            os.close(_open_lock(path))
        except FileNotFoundError:
            check_makeable(find_lock(path))
    except OSError as error:
        raise _explain(path, error) from None


def _open_lock(path: Path, flags: int = 0) -> int:
    if path.exists() and not path.is_file():
        raise PidFileError(f"the pid file {path} is not a regular file")
    return os.open(find_lock(path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o644)


def _explain(path: Path, error: OSError) -> PidFileError:
    where = error.filename or find_lock(path)
    return PidFileError(f"can't lock the pid file {path}: {error.strerror}: {where}")


def _read_pid(path: Path) -> int | None:
    """The number in a pid file; None where there is none."""
    try:
        text = path.read_bytes()[:20].strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
