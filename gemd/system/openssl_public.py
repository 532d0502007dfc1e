"""OpenSSL by pyOpenSSL's public interface: what is used where `openssl_direct` can't be.

Rule: it does what that does, but for memory that OpenSSL keeps for as long as a connection lasts, and for exceptions in
the place of each "not yet".
"""

import contextlib
import errno
from collections.abc import Callable, Iterable

from OpenSSL import SSL, crypto

from gemd.system.tls import TAKE_SIZE, IsAcceptable, TLSConnection, TLSError

NAME = "called by pyOpenSSL"


class PublicContext:
    """A context as pyOpenSSL has it."""

    def __init__(self, settings: SSL.Context, is_acceptable: IsAcceptable) -> None:
        """Ask clients for a certificate; `is_acceptable` decides by its DER before a signature is verified."""
        self.settings = settings

        def verify(connection: SSL.Connection, certificate: crypto.X509, *_: object) -> bool:
            connection.set_app_data(True)
            return is_acceptable(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate))

        settings.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE, verify)

    def choose_by_server_name(self, find: "Callable[[bytes], PublicContext | None]") -> None:
        """Have the name that a client asks for decide about its context; where `find` has none this one stays."""

        def choose(connection: SSL.Connection) -> None:
            name = connection.get_servername()
            context = None if name is None else find(name)
            if context is not None:
                connection.set_context(context.settings)

        self.settings.set_tlsext_servername_callback(choose)

    def spare_tickets(self) -> None:
        """Nothing can be done, but to have OpenSSL keep the name that a client asks for."""
        self.choose_by_server_name(lambda _: None)

    def make_connection(self) -> "PublicConnection":
        """The server's side of a connection."""
        return PublicConnection(self)


class PublicConnection(TLSConnection):
    """A connection as pyOpenSSL has it."""

    __slots__ = ("_connection", "_context")

    _connection: SSL.Connection

    def __init__(self, context: PublicContext) -> None:
        super().__init__()
        self._context = context

    def _begin(self, record: bytes) -> None:
        try:
            self._connection = SSL.Connection(self._context.settings, None)
        except SSL.Error as error:
            raise TLSError(explain(error)) from None
        self._connection.set_accept_state()

    def _put(self, data: bytes) -> None:
        if data:
            self._connection.bio_write(data)

    def take(self) -> bytes:
        """The next bytes that are to be sent to the client."""
        try:
            return self._connection.bio_read(TAKE_SIZE) if self._has_begun else b""
        except SSL.WantReadError:
            return b""

    def shrink(self) -> None:
        """Nothing can be done: OpenSSL keeps it for as long as the connection lasts."""

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches. Whether it is done. Raises TLSError."""
        if not self._has_begun:
            return False
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TLSError(explain(error)) from None
        if self._connection.get_peer_certificate() is not None:
            clear_errors()
        return True

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes of what was fed, decrypted; None when there are none, b"" when the client is done
        sending. Raises TLSError."""
        try:
            return self._connection.recv(size)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            raise TLSError(explain(error)) from None

    def write(self, data: bytes) -> None:
        """Encrypt all of `data`. Raises TLSError."""
        if data:
            try:
                self._connection.sendall(data)
            except SSL.Error as error:
                raise TLSError(explain(error)) from None

    def send_close_notify(self) -> None:
        """Say that nothing more comes. The client's own close_notify is not waited for. Raises TLSError."""
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            raise TLSError(explain(error)) from None

    @property
    def version(self) -> str:
        """As OpenSSL names it: "TLSv1.3"."""
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """As OpenSSL names it: "TLS_AES_128_GCM_SHA256"."""
        return self._connection.get_cipher_name() or ""

    def _find_server_name(self) -> bytes | None:
        return self._connection.get_servername() if self._has_begun else None

    @property
    def has_shown_certificate(self) -> bool:
        """Whether the client has shown one in this very handshake."""
        return self._has_begun and self._connection.get_app_data() is True

    def _find_certificate(self) -> bytes | None:
        certificate = self._connection.get_peer_certificate() if self._has_begun else None
        return None if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)

    def _find_issuers(self) -> list[bytes]:
        # On the server's side OpenSSL leaves the client's own certificate out of the chain.
        chain = self._connection.get_peer_cert_chain() or []
        return [crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain]


def clear_errors() -> None:
    """Empty OpenSSL's queue of errors, in which a handshake may leave some that succeeds in spite of an odd
    certificate; up to OpenSSL 3 they are taken for faults of what is called next. What fails here takes them along."""
    with contextlib.suppress(crypto.Error):
        crypto.load_certificate(crypto.FILETYPE_ASN1, b"")


def explain(error: SSL.Error) -> str:
    """What OpenSSL has to say of it, in words fit for a log line."""
    if isinstance(error, SSL.SysCallError):
        number, _ = error.args
        return "the client left" if number < 0 else errno.errorcode.get(number, str(number))
    if isinstance(error, SSL.ZeroReturnError):
        return "the client said close_notify"
    reasons: Iterable[tuple[str, ...]] = error.args[0] if error.args and isinstance(error.args[0], list) else ()
    return "; ".join(reason[-1] for reason in reasons) or type(error).__name__
