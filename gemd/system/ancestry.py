"""Whose descendant the other end of a unix socket is, by the names of processes (proc(5)).

Rules: who can't be followed up to the first process descends from anybody; what is read twice and is the same was so
in between, for a process whose parent ends has another one at once.
"""

import contextlib
import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_SO_PEERPIDFD = 77  # since Linux 6.5
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_MOST = 64  # ancestors that are followed: each is a file to read
_TRIES = 3


def read_credentials(connection: socket.socket) -> tuple[int, int]:
    """The pid and the uid of who connected, at that moment; the pid is 0 where it means nothing here."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def find_ancestors(connection: socket.socket) -> tuple[str, ...] | None:
    """The names of the processes from which who connected descends, its parent's first; None where it has ended, or
    can't be followed.

    Before Linux 6.5 one that has ended may be taken for another process that has its number by now.
    """
    pid, _ = read_credentials(connection)
    if pid <= 0:
        return None
    with _hold(connection, pid) as pidfd:
        if pidfd is None:
            return None
        before = _follow(pid)
        for _ in range(_TRIES):
            after = _follow(pid)
            if after is None or _has_ended(pidfd):
                return None
            if after == before:
                return tuple(name for _, name in after[1:])
            before = after
    return None


@contextlib.contextmanager
def _hold(connection: socket.socket, pid: int) -> Iterator[int | None]:
    """A descriptor of who connected (pidfd_open(2)); None where it has ended."""
    pidfd: int | None
    try:
        pidfd = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        pidfd = _open(pid) if error.errno == errno.ENOPROTOOPT else None
    try:
        yield pidfd
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _follow(pid: int) -> list[tuple[int, str]] | None:
    """A process and its ancestors, each by pid and name, up to the first one, or one whose parent is outside of this
    container."""
    found = []
    for _ in range(_MOST):
        try:
            status = Path(f"/proc/{pid}/status").read_bytes()
            fields = dict(line.partition(b":\t")[::2] for line in status.splitlines())
            name, parent = os.fsdecode(fields[b"Name"]), int(fields[b"PPid"])
        except (OSError, KeyError, ValueError):
            return None
        found.append((pid, name))
        if pid == 1 or parent == 0:
            return found
        pid = parent
    return None
