"""What stories of listeners share: others than the first, which answers as usual."""

import re
import socket
import ssl

from tests.support.tls_client import make_context
from tests.support.waiting import LONGEST

from .conftest import Answer, Daemon, read_answer


def place_of(daemon: Daemon, host: str) -> tuple[str, int]:
    """Where the listener of this address is, as the error log has it."""
    found = re.search(rf"listening on .*?\b{re.escape(host)}:(\d+)", daemon.errors)
    assert found, daemon.errors
    return host, int(found[1])


def connect(place: tuple[str, int] | str, source: str = "127.0.0.1") -> socket.socket:
    """To an address, or the path of a unix socket."""
    if isinstance(place, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LONGEST)
        sock.connect(place)
        return sock
    return socket.create_connection(place, timeout=LONGEST, source_address=(source, 0))


def read_all(sock: socket.socket) -> Answer:
    """What comes without TLS; whole unless the connection was reset."""
    raw = bytearray()
    try:
        while data := sock.recv(65536):
            raw += data
    except ConnectionResetError:
        return Answer(bytes(raw), False)
    return Answer(bytes(raw), True)


def send_behind(sock: socket.socket, header: bytes, url: str, context: ssl.SSLContext | None = None) -> Answer:
    """The answer to a request over TLS that begins behind a PROXY header."""
    sock.sendall(header)
    with (context or make_context()).wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
        tls.sendall(url.encode() + b"\r\n")
        return read_answer(tls)
