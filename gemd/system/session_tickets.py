"""Sessions that clients resume by tickets: with no host but that which they began with, and without certificates.

Rules: each host's tickets have keys of their own, which OpenSSL takes from the context that a connection is made with:
so the ClientHello is read for its name before there is one. A session that carries a certificate is never gone on with:
neither its chain is known any more, nor whether the client still has the key. As that is known before anything is sent,
the handshake begins again, with the same octets and without tickets. It does so too where the client has to send a
second ClientHello, in which a session would be found after something was sent.
"""

import hashlib
from collections.abc import Callable

from gemd.protocol.client_hello import ClientHelloError, parse_client_hello
from gemd.system.tls import Context, TLSConnection, TLSError

_SAY_HELLO_AGAIN = hashlib.sha256(b"HelloRetryRequest").digest()  # the random of that message (RFC 8446, 4.1.3)


class TicketContext:
    """The contexts of all hosts: those that know of tickets, and the plain ones."""

    def __init__(self, plain: Context, find: Callable[[bytes], Context | None], only: Context | None = None) -> None:
        """`plain` serves all hosts without tickets. With them `find` has a context for the names of some; where there
        is but one host, its context is the `only` one, whatever a client calls it."""
        self.plain = plain
        self._find = find
        self._only = only

    def make_connection(self) -> "TicketConnection":
        """The server's side of a connection."""
        return TicketConnection(self)

    def choose(self, record: bytes) -> Context:
        """The context for a connection that begins with `record`: without tickets where that does not say whose."""
        if self._only is not None:
            return self._only
        try:
            hello = parse_client_hello(record)
        except ClientHelloError:
            return self.plain
        if hello is None or hello.server_name is None:  # who names no host may yet ask for any
            return self.plain
        return self._find(hello.server_name) or self.plain


class TicketConnection(TLSConnection):
    """A connection whose context is chosen when its first record is here."""

    __slots__ = ("_sent", "_tickets", "_tls")

    def __init__(self, tickets: TicketContext) -> None:
        super().__init__()
        self._tickets = tickets
        self._tls: TLSConnection = tickets.plain.make_connection()
        self._sent: bytes | None = None  # by the client, as long as the handshake can begin again

    def _begin(self, record: bytes) -> None:
        context = self._tickets.choose(record)
        if context is not self._tickets.plain:
            self._tls = context.make_connection()
            self._sent = b""

    def _put(self, data: bytes) -> None:
        if self._sent is not None:
            self._sent += data
        self._tls.feed(data)

    def take(self) -> bytes | memoryview:
        """The next bytes that are to be sent to the client."""
        data = self._tls.take()
        if data and self._sent is not None:
            if _SAY_HELLO_AGAIN in bytes(data):
                self._begin_again(self._sent)
                data = self._tls.take()
            self._sent = None
        return data

    def _begin_again(self, sent: bytes) -> bool:
        """The handshake without tickets, as far as what the client has sent reaches. Whether it is done. Raises
        TLSError."""
        self._tls = self._tickets.plain.make_connection()
        self._tls.feed(sent)
        self._sent = None
        return self._tls.handshake()

    def shrink(self) -> None:
        """Let go of memory that a handshake or much data has needed."""
        self._tls.shrink()

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches. Whether it is done. Raises TLSError."""
        is_done = self._tls.handshake()
        if self._tls.has_shown_certificate or self._tls._find_certificate() is None:
            return is_done
        if self._sent is None:
            raise TLSError("the session that is to be resumed carries a certificate")
        return self._begin_again(self._sent)

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes of what was fed, decrypted. Raises TLSError."""
        return self._tls.receive(size)

    def write(self, data: bytes) -> None:
        """Encrypt all of `data`. Raises TLSError."""
        self._tls.write(data)

    def send_close_notify(self) -> None:
        """Say that nothing more comes. Raises TLSError."""
        self._tls.send_close_notify()

    @property
    def version(self) -> str:
        """As OpenSSL names it."""
        return self._tls.version

    @property
    def cipher(self) -> str:
        """As OpenSSL names it."""
        return self._tls.cipher

    @property
    def has_shown_certificate(self) -> bool:
        """Whether the client has shown one in this very handshake."""
        return self._tls.has_shown_certificate

    def _find_server_name(self) -> bytes | None:
        return self._tls._find_server_name()

    def _find_certificate(self) -> bytes | None:
        return self._tls._find_certificate()

    def _find_issuers(self) -> list[bytes]:
        return self._tls._find_issuers()
