"""Reads the PROXY header that a connection begins with, in whatever pieces it comes.

Rules: whether there has to be one is never guessed: anything else is refused, at the first octet that can't belong to
one. Of a header that is not complete no more is held than it may have.
"""

from gemd.protocol import proxy_v1, proxy_v2
from gemd.protocol.client_hello import HANDSHAKE
from gemd.protocol.proxy_header import ProxyHeader, ProxyHeaderError

HEADER_STARTS = (proxy_v2.SIGNATURE, *proxy_v1.STARTS)


class ProxyHeaderReader:
    """Fed until there is a header; what came behind it is in `rest`. `max_size` is in octets; version 1 has its own."""

    def __init__(self, max_size: int = 4096) -> None:
        self.rest = b""
        self._max_size = max_size
        self._data = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """The header once it is complete, and None until then. Raises ProxyHeaderError; either is the end."""
        data = self._data + data
        start = next((start for start in HEADER_STARTS if data.startswith(start[: len(data)])), None)
        if start is None:
            is_tls = data[:1] == bytes((HANDSHAKE,))
            raise ProxyHeaderError("no PROXY header, it looks like TLS" if is_tls else "no PROXY header")
        size = None
        if start is proxy_v2.SIGNATURE:
            size = proxy_v2.find_size(data, self._max_size)
        elif len(data) >= len(start):
            size = proxy_v1.find_end(data)
        if size is None or len(data) < size:
            self._data = data
            return None
        self._data, self.rest = b"", data[size:]
        return (proxy_v2.parse_v2 if start is proxy_v2.SIGNATURE else proxy_v1.parse_v1)(data[:size])
