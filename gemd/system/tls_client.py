"""TLS: the client's side of one connection, towards a server that requests are passed on to.

Rules: nothing here knows a socket; bytes go in and come out. TLS 1.2 and 1.3 alone, with the suites of the server's
side; no session is kept, and no handshake follows the first, in which a server could become another. Whom the
certificate makes a server is not judged here: what is to be sent, our own certificate with it, may be taken before that
has been looked at, so look first.
"""

from OpenSSL import SSL, crypto

from gemd.system.certificate_refusals import explain_refusal
from gemd.system.certificates import ServerCertificate
from gemd.system.openssl_binding import clear_errors
from gemd.system.openssl_public import explain
from gemd.system.tls import TAKE_SIZE, TLSError
from gemd.system.tls_context import OP_NO_RENEGOTIATION, TLS12_SUITES

_MODE_RELEASE_BUFFERS = 0x10  # <openssl/ssl.h>
_RECORD = 16 * 1024  # bytes that one holds at most


class ClientContext:
    """What all connections of one location have in common: the certificate that gemd shows, if any. Built by the
    master; workers inherit it."""

    def __init__(self, certificate: ServerCertificate | None = None) -> None:
        """Raises TLSError for a certificate that OpenSSL finds too weak."""
        self._settings = settings = SSL.Context(SSL.TLS_CLIENT_METHOD)
        settings.set_min_proto_version(SSL.TLS1_2_VERSION)
        settings.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | OP_NO_RENEGOTIATION)
        settings.set_cipher_list(TLS12_SUITES)
        settings.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        settings.set_verify(SSL.VERIFY_NONE)
        settings.set_mode(_MODE_RELEASE_BUFFERS)
        if certificate is None:
            return
        try:
            settings.use_certificate(certificate.chain[0])
            for issuer in certificate.chain[1:]:
                settings.add_extra_chain_cert(issuer)
            settings.use_privatekey(certificate.key)
            settings.check_privatekey()
        except SSL.Error as error:
            raise TLSError(explain_refusal(certificate.path, explain(error))) from None

    def connect(self, server_name: str | None) -> "ClientConnection":
        """A connection that asks for `server_name` (RFC 6066, 3), or for no name."""
        return ClientConnection(self._settings, server_name)


class ClientConnection:
    """The client's side, without a socket. What other connections leave in OpenSSL's queue of errors would be taken for
    a fault of this one, so each call begins with an empty queue and leaves one."""

    def __init__(self, settings: SSL.Context, server_name: str | None) -> None:
        self._connection = SSL.Connection(settings, None)
        self._connection.set_connect_state()
        if server_name is not None:
            self._connection.set_tlsext_host_name(server_name.encode("ascii"))

    def feed(self, data: bytes) -> None:
        """What the server has sent; nothing is done with it yet."""
        if data:
            self._connection.bio_write(data)

    def take(self) -> bytes:
        """What is to be sent to the server next; b"" if there is nothing."""
        try:
            return self._connection.bio_read(TAKE_SIZE)
        except SSL.WantReadError:
            return b""

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches; the first time, begin it. Whether it is done. Raises
        TLSError."""
        clear_errors()
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TLSError(_explain(error)) from None
        finally:
            clear_errors()
        return True

    def receive(self) -> bytes | None:
        """The next of what was fed, decrypted, one record at most; None when there is nothing, b"" when the server has
        said that nothing more comes. Raises TLSError."""
        clear_errors()
        try:
            return self._connection.recv(_RECORD)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            raise TLSError(_explain(error)) from None

    def write(self, data: bytes) -> None:
        """Encrypt all of `data`. Raises TLSError."""
        clear_errors()
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise TLSError(_explain(error)) from None

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What the server has sent of certificates, in DER, its own first; () while that is not known. That it has the
        key is known when the handshake is done."""
        chain = self._connection.get_peer_cert_chain() or ()
        return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain)


def _explain(error: SSL.Error) -> str:
    return "the server left" if isinstance(error, SSL.SysCallError) and error.args[0] < 0 else explain(error)
