"""Descriptors that go and come by a unix socket.

Rules: those that come are closed on exec from the first moment, which socket.recv_fds does not offer: another thread
may be starting a script just then. Nobody waits, whatever the socket's own flag says: several processes may have it.
"""

import socket
from array import array
from collections.abc import Sequence

from gemd.system.default_timeout import ignore_default_timeout

_SIZE = array("i").itemsize


def send_descriptors(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """Send these together, at once or not at all. Raises OSError: BlockingIOError where there is no room."""
    ignore_default_timeout(sock)
    # socket.send_fds takes flags, and forgets them.
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))]
    sock.sendmsg([data], ancillary, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive_descriptors(sock: socket.socket, size: int, number: int) -> tuple[bytes, list[int]]:
    """At most `size` bytes, and the descriptors beside them, which are the caller's: at most `number`, and fewer than
    were sent where this process may have no more. Raises OSError: BlockingIOError where there is nothing."""
    ignore_default_timeout(sock)
    flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
    data, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_LEN(number * _SIZE), flags)
    descriptors = array("i")
    for level, kind, octets in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(octets[: len(octets) - len(octets) % _SIZE])
    return data, list(descriptors)
