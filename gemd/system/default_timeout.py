"""Python's own timeout of sockets, which `socket.setdefaulttimeout` sets for a whole process, as an application may.

Rule: sockets that are never waited for don't follow it. Python would wait for so long before each call, whatever that
says to the kernel.
"""

import socket


def ignore_default_timeout(sock: socket.SocketType) -> None:
    """Have no call on a new socket wait, if Python would have it wait for a while. Raises OSError."""
    if sock.gettimeout():
        sock.setblocking(False)
