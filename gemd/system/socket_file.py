"""The file of a unix socket: who may connect, by its mode and owner.

Rules: both are set before anybody can connect, and again only where they differ, so that whoever has given up root can
still reload; and of the socket that was looked at, for others may be able to put something else in its place.
"""

import errno
import os
import pwd
import socket
import stat

import msgspec

from gemd.system.attempt import attempt
from gemd.system.privileges import PrivilegeError, find_group, is_account_number


class SocketFile(msgspec.Struct, frozen=True):
    """What a socket's file is to be; None for what stays as the umask and the process have made it."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None

    def apply_to_new(self, path: str) -> None:
        """The same for one that was just bound, whose file does not stay where that fails. Raises OSError."""
        try:
            self.apply(path)
        except OSError:
            os.unlink(path)
            raise

    def check_allowed(self) -> None:
        """Raise the OSError of who may not give a new file that owner."""
        mine = os.geteuid()
        is_mine = self.uid in (None, mine) and self.gid in (None, os.getegid(), *os.getgroups())
        if mine != 0 and not is_mine:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def apply(self, path: str) -> None:
        """Make it so. Raises OSError, also where there is no socket but something else."""
        if (self.mode, self.uid, self.gid) == (None, None, None):
            return
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            present = os.fstat(descriptor)
            if not stat.S_ISSOCK(present.st_mode):
                raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
            opened = f"/proc/self/fd/{descriptor}"
            uid = -1 if self.uid in (None, present.st_uid) else self.uid
            gid = -1 if self.gid in (None, present.st_gid) else self.gid
            if (uid, gid) != (-1, -1):
                os.chown(opened, uid, gid)
            if self.mode not in (None, stat.S_IMODE(present.st_mode)):
                os.chmod(opened, self.mode)
        finally:
            os.close(descriptor)


def find_socket_file(mode: str | None, owner: str | None) -> SocketFile:
    """What a mode in octal digits, and "user", "user:group" or ":group", mean here; a user brings its group along.

    Raises PrivilegeError for who is not there.
    """
    user, _, group = (owner or "").partition(":")
    uid = gid = None
    if user:
        try:
            with attempt(f"the user {user} could not be looked up"):
                account = pwd.getpwuid(int(user)) if is_account_number(user) else pwd.getpwnam(user)
        except (KeyError, ValueError, OverflowError):
            raise PrivilegeError(f"there is no user {user!r}") from None
        uid, gid = account.pw_uid, account.pw_gid
    if group:
        gid = find_group(group)
    return SocketFile(None if mode is None else int(mode, 8), uid, gid)


def remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more. Raises OSError (EADDRINUSE) for one that is alive."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its backlog is full: it is alive
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
