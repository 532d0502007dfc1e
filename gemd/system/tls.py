"""TLS: the server's side of one connection, by OpenSSL.

Rules: nothing here knows a socket; bytes go in and come out. How OpenSSL is called is the business of two modules that
do the same, `openssl_direct` and `openssl_public`; `openssl_binding` says which is used.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, Self

from gemd.config.mistake import Mistake
from gemd.protocol.client_hello import HANDSHAKE
from gemd.protocol.host import normalise_server_name
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.proxy_reader import HEADER_STARTS
from gemd.system.client_certificates import parse_client_certificate

IsAcceptable = Callable[[bytes], bool]  # whether a client may go on with a certificate, given in DER; never raises

TAKE_SIZE = 96 * 1024  # bytes: the usual piece of an answer fits, with what TLS adds


class TLSError(Mistake):
    """The connection can't go on; the text says why, in words fit for a log line."""


class ConnectionMaker(Protocol):
    """What stands behind a listener."""

    def make_connection(self) -> "TLSConnection":
        """The server's side of a new connection."""


class Context(ConnectionMaker, Protocol):
    """What all connections to one host have in common: its certificate, and what TLS may do."""

    def choose_by_server_name(self, find: Callable[[bytes], Self | None]) -> None:
        """Have the name that a client asks for, as it is sent, decide about its context: what `find` has for it, or
        else this one."""

    def spare_tickets(self) -> None:
        """Where clients are given tickets: none when they resume a session, nor with a certificate, as far as the
        binding can have that. In the place of `choose_by_server_name`."""


class TLSConnection(ABC):
    """The server's side of one TLS connection, without a socket: bytes from the client are fed, bytes for it are taken.

    Whoever reads the socket can so count and bound what a client sends, and look at the time between any two reads.
    Nothing is made before the client's first record is whole: one that sends half of it costs next to nothing.

    For one thread alone: all connections share OpenSSL's queue of errors, and may share a buffer.
    """

    is_plain = False  # without close_notify

    __slots__ = ("__weakref__", "_certificate", "_chain", "_has_asked", "_has_begun", "_record", "_server_name")

    def __init__(self) -> None:
        self._record = b""  # the client's first, as far as it is here
        self._has_begun = False
        self._server_name: str | None = ""  # which nobody asks for: not known yet
        self._has_asked = False
        self._certificate: ClientCertificate | None = None
        self._chain: tuple[bytes, ...] | None = None

    def feed(self, data: bytes) -> None:
        """What the client has sent; nothing is done with it yet. Raises TLSError when there is no memory for it, and
        for what is meant for another listener."""
        if not self._has_begun:
            data = self._record + data
            if not has_whole_record(data):
                self._record = data
                return
            self._record = b""
            if data.startswith(HEADER_STARTS):
                raise TLSError("a PROXY header came, which nothing expects here: proxy-protocol, in `listen`")
            self._begin(data)
            self._has_begun = True
        self._put(data)

    @abstractmethod
    def _begin(self, record: bytes) -> None:
        """Have OpenSSL make what it needs for the connection, which begins with `record` and is yet to be handed that.
        Raises TLSError when it has no memory for it."""

    @abstractmethod
    def _put(self, data: bytes) -> None:
        """Hand over what the client has sent."""

    @abstractmethod
    def take(self) -> bytes | memoryview:
        """The next TAKE_SIZE bytes at most that are to be sent to the client, fewer only at the end of all there are;
        b"" if there are none. They are good until any connection's next call: it is a buffer that all may share."""

    @abstractmethod
    def shrink(self) -> None:
        """Let go of memory that a handshake or much data has needed. To be called when all of that was taken, and
        `receive` has found nothing more or the request is complete: else it is forgotten what the client has sent."""

    @abstractmethod
    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches. Whether it is done. Raises TLSError."""

    @abstractmethod
    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes of what was fed, decrypted; None when there are none, b"" when the client is done
        sending. Raises TLSError."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Encrypt all of `data`. Raises TLSError."""

    @abstractmethod
    def send_close_notify(self) -> None:
        """Say that nothing more comes. The client's own close_notify is not waited for. Raises TLSError."""

    @property
    @abstractmethod
    def version(self) -> str:
        """As OpenSSL names it: "TLSv1.3"."""

    @property
    @abstractmethod
    def cipher(self) -> str:
        """As OpenSSL names it: "TLS_AES_128_GCM_SHA256"."""

    @property
    def server_name(self) -> str | None:
        """The host that the client asked for (RFC 6066, 3), in lower case; None when it named none."""
        if self._server_name == "":
            name = self._find_server_name()
            self._server_name = None if name is None else normalise_server_name(name)
        return self._server_name

    @abstractmethod
    def _find_server_name(self) -> bytes | None:
        """As it was sent."""

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """None when the client gave none."""
        if not self._has_asked:  # access control, scripts and the log all want to know
            self._has_asked = True
            der = self._find_certificate()
            if der is not None:
                self._certificate = parse_client_certificate(der)
        return self._certificate

    @abstractmethod
    def _find_certificate(self) -> bytes | None:
        """The client's own, in DER."""

    @property
    def has_shown_certificate(self) -> bool:
        """Whether the client has one, and has shown it in this very handshake: what a session carries was shown in
        another."""
        return self._find_certificate() is not None

    @property
    def client_chain(self) -> tuple[bytes, ...]:
        """What the client sent along to vouch for its certificate, in DER; its own comes first."""
        if self._chain is None:  # asked for again by a thread that works out a listing
            own = self._find_certificate()
            self._chain = (own, *self._find_issuers()) if own is not None else ()
        return self._chain

    @abstractmethod
    def _find_issuers(self) -> list[bytes]:
        """The other certificates, in DER."""


def has_whole_record(data: bytes) -> bool:
    """Whether a client's first record is here, or something that is none (RFC 8446, 5.1)."""
    return bool(data) and (data[0] != HANDSHAKE or (len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5])))
