"""The socket of a client: what is asked of it beyond reading and writing."""

import array
import contextlib
import fcntl
import socket
import struct
import termios
from ipaddress import ip_address

from msgspec import structs

from gemd.protocol.peer import UNIX, V6_PREFIX, Peer, TLSInfo

_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger, socket(7): on, for no time
_AS_USUAL = struct.pack("ii", 0, 0)


def acknowledge_now(sock: socket.SocketType) -> None:
    """Acknowledge the end of the handshake at once.

    Nothing of ours carries the ACK, as no session ticket is sent, and a client that leaves Nagle's algorithm on would
    hold its request back for 40 ms.
    """
    if sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def reset_on_close(sock: socket.SocketType, *, is_reset: bool = True) -> None:
    """Have the close of a socket be a reset, so that the other end can tell it from the end of an answer, also where
    the end of this process closes it; or no longer. Unix sockets have no such thing."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE if is_reset else _AS_USUAL)


def count_undelivered(sock: socket.SocketType) -> int:
    """How many of the bytes that were sent the client's kernel has not acknowledged (SIOCOUTQ, tcp(7)).

    For a unix socket it is what they take up in this kernel, which is more.
    """
    count = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(sock, termios.TIOCOUTQ, count)
    return count[0]


def find_address(address: object) -> str:
    """Of the client, as its peer has it; `address` is what accept(2) has told."""
    return show_address(address[0]) if isinstance(address, tuple) else UNIX


def make_peer(
    sock: socket.SocketType,
    address: object,
    local: tuple[str, int] | None,
    tls: TLSInfo,
    v6_prefix: int = V6_PREFIX,
) -> Peer:
    """Who is at the other end of an accepted socket, which came to `local`, where the listener knows. Raises OSError
    when it has left already."""
    if not isinstance(address, tuple):
        return Peer(UNIX, 0, UNIX, 0, tls, v6_prefix)
    if local is None:
        here = sock.getsockname()
        local = show_address(here[0]), here[1]
    return Peer(show_address(address[0]), address[1], *local, tls, v6_prefix)


def name_client(peer: Peer, address: str, port: int, local_address: str, local_port: int) -> Peer:
    """The same connection with the client, and the address it came to, that a proxy has named."""
    return structs.replace(peer, address=address, port=port, local_address=local_address, local_port=local_port)


def forget_port(peer: Peer) -> Peer:
    """The same peer where the port that it came to says nothing of the one that its client knows."""
    return structs.replace(peer, local_port=0)


def show_address(address: str) -> str:
    """Without a zone, and IPv4 as IPv4 where a dual-stack socket reports it as IPv6."""
    if ":" not in address:
        return address
    address = address.partition("%")[0]
    return (
        address.removeprefix("::ffff:")
        if address.startswith("::ffff:") and "." in address
        else str(ip_address(address))
    )
