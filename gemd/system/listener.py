"""Listening sockets: bound once by the master, inherited by every worker.

Rules: one socket an address and never SO_REUSEPORT, which loses connections at each change of workers;
a new connection is not reported before its first bytes are here; nothing survives exec.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence

from gemd.config.mistake import Mistake
from gemd.config.types import Address
from gemd.protocol.host import ANY_ADDRESSES
from gemd.system.attempt import attempt
from gemd.system.client_socket import show_address
from gemd.system.default_timeout import ignore_default_timeout
from gemd.system.socket_file import SocketFile, remove_stale

_BACKLOG = 1024
_AS_MADE = SocketFile()
_ANY_V4, _ANY_V6 = ANY_ADDRESSES
_Resolved = tuple[socket.AddressFamily, tuple[object, ...]]


class BindError(Mistake):
    """An address can't be listened on; the text names it and what to change."""


class Listener:
    """A bound, listening, non-blocking socket and what it was bound for. Systemd keeps one that `is_given` open."""

    __slots__ = ("_kind", "address", "is_given", "local", "socket")

    def __init__(self, sock: socket.socket, address: Address, *, is_given: bool = False) -> None:
        self.socket = sock
        self.address = address
        self.is_given = is_given
        self._kind = int(sock.family), int(sock.type), sock.proto
        # What every connection came to: host and port; None where that is known of each alone.
        self.local: tuple[str, int] | None = None
        if sock.family != socket.AF_UNIX:
            host, port = sock.getsockname()[:2]
            if (local := show_address(host)) not in ANY_ADDRESSES:
                self.local = local, port

    def __str__(self) -> str:
        if self.address.path:
            return str(self.address)
        host, port = self.socket.getsockname()[:2]
        return str(Address(host, port))

    @property
    def port(self) -> int:
        """The TCP port; 0 for a unix socket."""
        return 0 if self.address.path else int(self.socket.getsockname()[1])

    def accept(self) -> tuple[socket.SocketType, object]:
        """A connection that waits, and its client's address. Raises OSError; BlockingIOError where none waits.

        As `socket.accept` does it, but for its Python object around each socket and enumerations of what is known: two
        of a hundred parts of a page.
        """
        descriptor, address = self.socket._accept()  # type: ignore[attr-defined]
        try:
            sock = socket.SocketType(*self._kind, descriptor)
        except OSError:
            os.close(descriptor)
            raise
        ignore_default_timeout(sock)
        return sock, address

    def close(self) -> None:
        """Stop listening; the file of a unix socket stays."""
        self.socket.close()


def bind_all(
    addresses: Iterable[Address],
    request_timeout: float,
    present: Sequence[Listener] = (),
    files: Mapping[str, SocketFile] | None = None,
) -> list[Listener]:
    """Bind every address, or none. A name is bound on all of its addresses; `files` are what unix sockets at these
    paths are to be. Raises BindError.

    An address that one of `present` was bound for is not bound again; where systemd gave us sockets, they are all.
    """
    given = [listener for listener in present if listener.is_given]
    if given:
        return given
    wanted = _complete(tuple(addresses), present)
    v4_any = {address.port for address in wanted if address.host == _ANY_V4}
    listeners: list[Listener] = []
    try:
        for address in wanted:
            known = [listener for listener in present if listener.address == address]
            if known:
                listeners.extend(listener for listener in known if listener not in listeners)
            elif address.path:
                listeners.append(bind_unix(address, (files or {}).get(address.path, _AS_MADE)))
            else:
                dual_stack = address.port not in v4_any
                listeners.extend(_bind_tcp(address, dual_stack, request_timeout))
    except BindError as error:
        error.place = str(address)
        for listener in listeners:
            if listener not in present:
                listener.close()
        raise
    return listeners


def _complete(addresses: Sequence[Address], present: Sequence[Listener]) -> list[Address]:
    """The addresses to bind or keep: a socket for every IPv6 address serves IPv4 too, or not, as it was once bound,
    and can't be bound for both where one for every IPv4 address is."""
    known = {listener.address for listener in present}
    by_port = {listener.address.port: listener.socket for listener in present if listener.address.host == _ANY_V6}
    is_v6_only = {port: sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) for port, sock in by_port.items()}
    wanted: list[Address] = []
    for address in addresses:
        beside = Address(_ANY_V4 if address.host == _ANY_V6 else _ANY_V6, address.port)
        if address.host == _ANY_V4 and beside in addresses and is_v6_only.get(address.port) == 0:
            continue
        wanted.append(address)
        needs_v4 = address.host == _ANY_V6 and (is_v6_only.get(address.port) or beside in known)
        if needs_v4 and beside not in addresses:
            wanted.append(beside)
    return wanted


def take_over(descriptor: int, request_timeout: float, address: Address | None = None) -> Listener:
    """A listener that another process bound: systemd, or, for `address`, a former master. Raises BindError."""
    try:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.socket(fileno=descriptor))
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise BindError(f"descriptor {descriptor} is no listening socket")
            if sock.type != socket.SOCK_STREAM:
                raise BindError(f"descriptor {descriptor} is no stream socket")
            os.set_inheritable(descriptor, False)
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                place = Address("unix", 0, os.fsdecode(sock.getsockname()) or "unnamed")
            else:
                _tune(sock, request_timeout)
                place = Address(*sock.getsockname()[:2])
            stack.pop_all()
    except OSError as error:
        raise BindError(f"descriptor {descriptor} can't be listened on: {error.strerror}") from None
    return Listener(sock, address or place, is_given=address is None)


def find_places(address: Address) -> list[_Resolved]:
    """All that the name or address stands for here. Raises BindError."""
    try:
        with attempt(f"the name {address.host} in `listen` could not be resolved"):
            # As octets it needs none of the tables for internationalised names, which take a while to load.
            host = address.host.encode() if address.host.isascii() else address.host
            found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise BindError(f"can't listen on {address}: {reason}; is the address in `listen` right?") from None
    return list(dict.fromkeys((family, place) for family, _, _, _, place in found))


def _bind_tcp(address: Address, dual_stack: bool, request_timeout: float) -> list[Listener]:
    listeners: list[Listener] = []
    failure: OSError | None = None
    port = address.port
    for family, place in find_places(address):
        where = (place[0], port, *place[2:])
        try:
            sock = _open_tcp(family, where, dual_stack, request_timeout)
        except OSError as error:
            # A name such as localhost may have an address of a family that this machine lacks.
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                failure = error
                continue
            for listener in listeners:
                listener.close()
            raise BindError(explain_unbound(address, error)) from None
        port = port or int(sock.getsockname()[1])  # port 0: the same free port for each address of a name
        listeners.append(Listener(sock, address))
    if not listeners:
        raise BindError(explain_unbound(address, failure or OSError(errno.EADDRNOTAVAIL, "no address")))
    return listeners


def _open_tcp(family: int, where: tuple[object, ...], dual_stack: bool, request_timeout: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            v6_only = not (dual_stack and where[0] == _ANY_V6)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        _tune(sock, request_timeout)
        sock.bind(where)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _tune(sock: socket.socket, request_timeout: float) -> None:
    # Accepted sockets inherit it: without it Nagle and delayed ACKs cost 40 ms and more a request.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, max(1, round(request_timeout)))


def bind_unix(address: Address, file: SocketFile = _AS_MADE) -> Listener:
    """Bind a unix socket, in place of one that nobody listens on any more. Raises BindError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with attempt(f"{address} could not be bound"):
            remove_stale(address.path)
            sock.bind(address.path)
            file.apply_to_new(address.path)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise BindError(explain_unbound(address, error)) from None
    return Listener(sock, address)


def explain_unbound(address: Address, error: OSError) -> str:
    """Why nothing listens there, and what to change."""
    advice = {
        errno.EADDRINUSE: "another program listens there; stop it or choose another port",
        errno.EPERM: "only root can give a unix socket to another owner: that takes a restart, or master-user",
        errno.EACCES: "ports below 1024 need root, and a unix socket a directory that may be written",
        errno.EADDRNOTAVAIL: "this machine has no such address",
        errno.EEXIST: "a file that is no socket has this name",
    }.get(error.errno or 0)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"can't listen on {address}: {reason}" + (f"; {advice}" if advice else "")
