"""A connection without TLS, which ended at a terminator before gemd: what `tls` has for one with it, without a cipher.

Rules: nothing is decrypted or encrypted; what TLS would have told of the client is what the terminator says of it in a
PROXY header, or nothing. There is no close_notify, so that an answer which broke off has to end by a reset.
"""

from gemd.protocol.client_hello import HANDSHAKE
from gemd.system.tls import TAKE_SIZE, TLSConnection, TLSError


class PlainConnection(TLSConnection):
    """The server's side of one connection, without a socket. What the terminator says is told to `believe`."""

    __slots__ = ("_cipher", "_incoming", "_outgoing", "_told_certificate", "_told_name", "_version")

    is_plain = True

    def __init__(self) -> None:
        super().__init__()
        self._incoming = b""
        self._outgoing: list[bytes] = []
        self._version = self._cipher = ""
        self._told_name: str | None = None
        self._told_certificate: bytes | None = None

    def believe(self, server_name: str | None, certificate: bytes | None, version: str, cipher: str) -> None:
        """What a terminator that is trusted says of the client: the host it asked for, its certificate in DER, whose
        key it has proved to have, and "" for what is not known of the others."""
        self._told_name, self._told_certificate = server_name, certificate
        self._version, self._cipher = version, cipher

    def feed(self, data: bytes) -> None:
        """What the client has sent. Raises TLSError for what is TLS."""
        if not self._has_begun and data:
            self._begin(data)
            if data[0] == HANDSHAKE:
                raise TLSError("it speaks TLS, and this listener is without (tls = false)")
        self._put(data)

    def _begin(self, record: bytes) -> None:
        self._has_begun = True

    def _put(self, data: bytes) -> None:
        self._incoming += data

    def take(self) -> bytes:
        """The next bytes that are to be sent to the client."""
        if not self._outgoing:
            return b""
        data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
        self._outgoing = [data[TAKE_SIZE:]] if len(data) > TAKE_SIZE else []
        return data[:TAKE_SIZE]

    def shrink(self) -> None:
        """There is nothing that would stay large."""

    def handshake(self) -> bool:
        """Whether there is anything from the client yet: no handshake is needed."""
        return self._has_begun

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes of what was fed; None when there are none."""
        data, self._incoming = self._incoming[:size], self._incoming[size:]
        return data or None

    def write(self, data: bytes) -> None:
        """Have it sent as it is."""
        if data:
            self._outgoing.append(data)

    def send_close_notify(self) -> None:
        """There is none: that nothing more comes is told by the end of the connection."""

    @property
    def version(self) -> str:
        """Of TLS before gemd, as the terminator names it; "" where that is not known."""
        return self._version

    @property
    def cipher(self) -> str:
        """The same for the cipher."""
        return self._cipher

    def _find_server_name(self) -> bytes | None:
        return None if self._told_name is None else self._told_name.encode("ascii", "backslashreplace")

    def _find_certificate(self) -> bytes | None:
        return self._told_certificate

    def _find_issuers(self) -> list[bytes]:
        return []
