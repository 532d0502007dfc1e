"""OpenSSL by the functions that pyOpenSSL calls: a page costs less than by its public interface, `openssl_public`.

Rule: how they are called is known here, and what they are called in `openssl_calls`, which nobody else imports.
"""

from collections.abc import Callable

from OpenSSL import SSL

from gemd.system.openssl_calls import (
    MEMORY,
    NULL,
    CData,
    buffer,
    decode_text,
    encode_certificate,
    explain_errors,
    ffi,
    find_connection,
    find_server_name,
    octets,
    report_fault,
)
from gemd.system.openssl_calls import lib as _lib
from gemd.system.tls import TAKE_SIZE, IsAcceptable, TLSConnection, TLSError

NAME = "called directly"

clear_errors = _lib.ERR_clear_error  # empties OpenSSL's queue of errors

_LARGE = 16 * 1024  # bytes at once, which no handshake has
_judged: list[tuple[bytes, bool]] = []  # the certificate of the handshake that goes on, and whether it is accepted


class DirectContext:
    """A context whose callbacks need no connection of pyOpenSSL's."""

    def __init__(self, settings: SSL.Context, is_acceptable: IsAcceptable) -> None:
        """Ask clients for a certificate; `is_acceptable` decides by its DER before a signature is verified."""
        self.settings = settings  # which owns the next one
        self.pointer: CData = settings._context
        self._choose: object = None
        self._is_sparing = False

        def verify(_is_known: int, store: CData) -> int:
            if not _judged:  # it is asked for each fault that OpenSSL finds in it, and once more
                der = encode_certificate(_lib.X509_STORE_CTX_get_current_cert(store))
                _judged.append((der, is_acceptable(der)))
                if self._is_sparing:  # the ticket that follows in TLS 1.3 is an empty one, which leads to no session
                    _lib.SSL_set_options(find_connection(store), _lib.SSL_OP_NO_TICKET)
            is_accepted = _judged[0][1]
            if is_accepted:
                _lib.X509_STORE_CTX_set_error(store, _lib.X509_V_OK)
            return int(is_accepted)

        mode = SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE
        self._verify = ffi.callback("int(int, X509_STORE_CTX *)", verify, error=0, onerror=report_fault)
        _lib.SSL_CTX_set_verify(self.pointer, mode, self._verify)

    def choose_by_server_name(self, find: "Callable[[bytes], DirectContext | None]") -> None:
        """Have the name that a client asks for decide about its context; where `find` has none this one stays."""

        def choose(ssl: CData, _alert: object, _argument: object) -> int:
            name = find_server_name(ssl)
            context = None if name is None else find(name)
            if context is not None:
                _lib.SSL_set_SSL_CTX(ssl, context.pointer)
            return 0

        self._call_for_name(choose)

    def spare_tickets(self) -> None:
        """None is given when a session is resumed, nor in TLS 1.3 with a certificate."""

        def decide(ssl: CData, _alert: object, _argument: object) -> int:
            if _lib.SSL_session_reused(ssl):  # OpenSSL has taken its ticket by now, and forgoes another one
                _lib.SSL_set_options(ssl, _lib.SSL_OP_NO_TICKET)
            return 0

        self._is_sparing = True
        self._call_for_name(decide)

    def _call_for_name(self, function: Callable[[CData, object, object], int]) -> None:
        """Have OpenSSL call it when it has read a ClientHello, whether that has a name or not."""
        self._choose = ffi.callback("int(SSL *, int *, void *)", function, error=0, onerror=report_fault)
        _lib.SSL_CTX_set_tlsext_servername_callback(self.pointer, self._choose)

    def make_connection(self) -> "DirectConnection":
        """The server's side of a connection."""
        return DirectConnection(self)


class DirectConnection(TLSConnection):
    """All connections share a buffer, and the judgement of a certificate within one call. What a call leaves in
    OpenSSL's queue of errors, as does a handshake that succeeds in spite of an odd certificate, would be taken for a
    fault of the next call, up to OpenSSL 3: so each begins with an empty queue."""

    __slots__ = ("_context", "_der", "_from_ssl", "_into_ssl", "_is_large", "_ssl")

    def __init__(self, context: DirectContext) -> None:
        super().__init__()
        self._context = context
        self._is_large = False
        self._der: bytes | None = None  # of the client's certificate, once that was judged
        self._ssl = self._into_ssl = self._from_ssl = NULL

    def _begin(self, record: bytes) -> None:
        ssl = _lib.SSL_new(self._context.pointer)
        if ssl == NULL:
            raise TLSError(explain_errors())
        self._ssl = ffi.gc(ssl, _lib.SSL_free)
        if not self._renew_memory():
            raise TLSError(explain_errors())
        _lib.SSL_set_accept_state(ssl)

    def _renew_memory(self) -> bool:
        """Give OpenSSL something to read from and to write to. False where there is no memory."""
        incoming, outgoing = _lib.BIO_new(MEMORY), _lib.BIO_new(MEMORY)
        if incoming == NULL or outgoing == NULL:
            _lib.BIO_free(incoming)  # which takes NULL
            _lib.BIO_free(outgoing)
            return False
        _lib.SSL_set_bio(self._ssl, incoming, outgoing)  # which frees the former ones
        self._into_ssl, self._from_ssl = incoming, outgoing
        return True

    def _put(self, data: bytes) -> None:
        _lib.BIO_write(self._into_ssl, data, len(data))

    def take(self) -> memoryview | bytes:
        """The next bytes that are to be sent to the client, in the buffer."""
        if not self._has_begun:
            return b""
        size = _lib.BIO_read(self._from_ssl, buffer, TAKE_SIZE)
        if size <= 0:
            return b""
        if size > _LARGE:
            self._is_large = True
        return octets[:size]

    def shrink(self) -> None:
        """What OpenSSL reads from and writes to keeps the size that it once had: give it new ones."""
        if self._is_large and self._renew_memory():
            self._is_large = False

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches. Whether it is done. Raises TLSError."""
        if not self._has_begun:
            return False
        _lib.ERR_clear_error()
        _judged.clear()
        result = _lib.SSL_do_handshake(self._ssl)
        if _judged:
            self._der = _judged[0][0]
        if result == 1:
            self._is_large = True  # a flight is more than a request needs
            return True
        self._check(result)
        return False

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes of what was fed, decrypted; None when there are none, b"" when the client is done
        sending. Raises TLSError."""
        _lib.ERR_clear_error()
        result = _lib.SSL_read(self._ssl, buffer, min(size, TAKE_SIZE))
        if result > 0:
            self._is_large = False  # it will soon be over
            return bytes(octets[:result])
        return None if self._check(result) else b""

    def write(self, data: bytes) -> None:
        """Encrypt all of `data`. Raises TLSError."""
        if data:
            _lib.ERR_clear_error()
            result = _lib.SSL_write(self._ssl, data, len(data))
            if result <= 0:
                self._check(result)
                raise TLSError("nothing can be sent any more")

    def send_close_notify(self) -> None:
        """Say that nothing more comes. The client's own close_notify is not waited for. Raises TLSError."""
        _lib.ERR_clear_error()
        result = _lib.SSL_shutdown(self._ssl)
        if result < 0:
            self._check(result)

    def _check(self, result: int) -> bool:
        """Whether a call that did not succeed only wants more from the client, rather than that being at its end.

        Raises TLSError for everything else.
        """
        error = _lib.SSL_get_error(self._ssl, result)
        if error == _lib.SSL_ERROR_WANT_READ:
            return True
        if error == _lib.SSL_ERROR_ZERO_RETURN:
            return False
        raise TLSError(explain_errors())

    @property
    def version(self) -> str:
        """As OpenSSL names it: "TLSv1.3"."""
        return decode_text(_lib.SSL_get_version(self._ssl))

    @property
    def cipher(self) -> str:
        """As OpenSSL names it: "TLS_AES_128_GCM_SHA256"."""
        cipher = _lib.SSL_get_current_cipher(self._ssl)
        return "" if cipher == NULL else decode_text(_lib.SSL_CIPHER_get_name(cipher))

    def _find_server_name(self) -> bytes | None:
        return find_server_name(self._ssl) if self._has_begun else None

    @property
    def has_shown_certificate(self) -> bool:
        """Whether the client has shown one in this very handshake."""
        return self._der is not None

    def _find_certificate(self) -> bytes | None:
        if self._der is not None or not self._has_begun:
            return self._der
        certificate = _lib.SSL_get_peer_certificate(self._ssl)
        if certificate == NULL:
            return None
        try:
            return encode_certificate(certificate)
        finally:
            _lib.X509_free(certificate)

    def _find_issuers(self) -> list[bytes]:
        # On the server's side OpenSSL leaves the client's own certificate out of the chain.
        chain = _lib.SSL_get_peer_cert_chain(self._ssl)
        return (
            []
            if chain == NULL
            else [encode_certificate(_lib.sk_X509_value(chain, i)) for i in range(_lib.sk_X509_num(chain))]
        )
