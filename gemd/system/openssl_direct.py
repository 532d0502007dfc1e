"""OpenSSL by the functions that pyOpenSSL calls: a page costs less than by its public interface, `openssl_public`.

Rules: these names are private to pyOpenSSL and cryptography, and are used nowhere else. A release without one of them
is noticed when this module is imported.
"""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

from gemd.system.log import error_log
from gemd.system.tls import TAKE_SIZE, IsAcceptable, TLSConnection, TLSError

NAME = "called directly"

CData = Any  # what cffi has for C's values

_lib, _ffi = Binding.lib, Binding.ffi
_LARGE = 16 * 1024  # bytes at once, which no handshake has
_buffer: CData = _ffi.new("char[]", TAKE_SIZE)
_octets = memoryview(_ffi.buffer(_buffer))
_memory = _lib.BIO_s_mem()
_judged: list[tuple[bytes, bool]] = []  # the certificate of the handshake that goes on, and whether it is accepted
_NULL = _ffi.NULL

for _name in (
    *("BIO_free", "BIO_new", "BIO_read", "BIO_write", "ERR_clear_error", "ERR_get_error", "ERR_reason_error_string"),
    *("SSL_CIPHER_get_name", "SSL_CTX_set_tlsext_servername_callback", "SSL_CTX_set_verify", "SSL_ERROR_WANT_READ"),
    *("SSL_ERROR_ZERO_RETURN", "SSL_do_handshake", "SSL_free", "SSL_get_current_cipher", "SSL_get_error"),
    *("SSL_get_peer_cert_chain", "SSL_get_peer_certificate", "SSL_get_servername", "SSL_get_version", "SSL_new"),
    *("SSL_read", "SSL_set_SSL_CTX", "SSL_set_accept_state", "SSL_set_bio", "SSL_shutdown", "SSL_write"),
    *("TLSEXT_NAMETYPE_host_name", "X509_STORE_CTX_get_current_cert", "X509_STORE_CTX_set_error", "X509_V_OK"),
    *("X509_free", "i2d_X509_bio", "sk_X509_num", "sk_X509_value"),
):
    getattr(_lib, _name)
_ = SSL.Context(SSL.TLS_SERVER_METHOD)._context


class DirectContext:
    """A context whose callbacks need no connection of pyOpenSSL's."""

    def __init__(self, settings: SSL.Context, is_acceptable: IsAcceptable) -> None:
        """Ask clients for a certificate; `is_acceptable` decides by its DER before a signature is verified."""
        self.settings = settings  # which owns the next one
        self.pointer: CData = settings._context
        self._choose: object = None

        def verify(_is_known: int, store: CData) -> int:
            if not _judged:  # it is asked for each fault that OpenSSL finds in it, and once more
                der = _encode(_lib.X509_STORE_CTX_get_current_cert(store))
                _judged.append((der, is_acceptable(der)))
            is_accepted = _judged[0][1]
            if is_accepted:
                _lib.X509_STORE_CTX_set_error(store, _lib.X509_V_OK)
            return int(is_accepted)

        mode = SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE
        self._verify = _ffi.callback("int(int, X509_STORE_CTX *)", verify, error=0, onerror=_report)
        _lib.SSL_CTX_set_verify(self.pointer, mode, self._verify)

    def choose_by_server_name(self, find: "Callable[[bytes], DirectContext | None]") -> None:
        """Have the name that a client asks for decide about its context; where `find` has none this one stays."""

        def choose(ssl: CData, _alert: object, _argument: object) -> int:
            name = _find_server_name(ssl)
            context = None if name is None else find(name)
            if context is not None:
                _lib.SSL_set_SSL_CTX(ssl, context.pointer)
            return 0

        self._choose = _ffi.callback("int(SSL *, int *, void *)", choose, error=0, onerror=_report)
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
        self._ssl = self._into_ssl = self._from_ssl = _NULL

    def _begin(self) -> None:
        ssl = _lib.SSL_new(self._context.pointer)
        if ssl == _NULL:
            raise TLSError(_explain())
        self._ssl = _ffi.gc(ssl, _lib.SSL_free)
        if not self._renew_memory():
            raise TLSError(_explain())
        _lib.SSL_set_accept_state(ssl)

    def _renew_memory(self) -> bool:
        """Give OpenSSL something to read from and to write to. False where there is no memory."""
        incoming, outgoing = _lib.BIO_new(_memory), _lib.BIO_new(_memory)
        if incoming == _NULL or outgoing == _NULL:
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
        size = _lib.BIO_read(self._from_ssl, _buffer, TAKE_SIZE)
        if size <= 0:
            return b""
        if size > _LARGE:
            self._is_large = True
        return _octets[:size]

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
        result = _lib.SSL_read(self._ssl, _buffer, min(size, TAKE_SIZE))
        if result > 0:
            self._is_large = False  # it will soon be over
            return bytes(_octets[:result])
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
        raise TLSError(_explain())

    @property
    def version(self) -> str:
        """As OpenSSL names it: "TLSv1.3"."""
        return _text(_lib.SSL_get_version(self._ssl))

    @property
    def cipher(self) -> str:
        """As OpenSSL names it: "TLS_AES_128_GCM_SHA256"."""
        cipher = _lib.SSL_get_current_cipher(self._ssl)
        return "" if cipher == _NULL else _text(_lib.SSL_CIPHER_get_name(cipher))

    def _find_server_name(self) -> bytes | None:
        return _find_server_name(self._ssl) if self._has_begun else None

    def _find_certificate(self) -> bytes | None:
        if self._der is not None or not self._has_begun:
            return self._der
        certificate = _lib.SSL_get_peer_certificate(self._ssl)
        if certificate == _NULL:
            return None
        try:
            return _encode(certificate)
        finally:
            _lib.X509_free(certificate)

    def _find_issuers(self) -> list[bytes]:
        # On the server's side OpenSSL leaves the client's own certificate out of the chain.
        chain = _lib.SSL_get_peer_cert_chain(self._ssl)
        return [] if chain == _NULL else [_encode(_lib.sk_X509_value(chain, i)) for i in range(_lib.sk_X509_num(chain))]


def _find_server_name(ssl: CData) -> bytes | None:
    name = _lib.SSL_get_servername(ssl, _lib.TLSEXT_NAMETYPE_host_name)
    return None if name == _NULL else bytes(_ffi.string(name))


def _encode(certificate: CData) -> bytes:
    """In DER; b"" for none."""
    bio = _lib.BIO_new(_memory)
    try:
        _lib.i2d_X509_bio(bio, certificate)
        size = _lib.BIO_read(bio, _buffer, TAKE_SIZE)  # no handshake has as much as that
        return bytes(_octets[: max(0, size)])
    finally:
        _lib.BIO_free(bio)


def _text(characters: CData) -> str:
    return str(_ffi.string(characters).decode("ascii", "backslashreplace"))


def _explain() -> str:
    """What is in the queue of errors, which is empty then, in words fit for a log line."""
    reasons = []
    while code := _lib.ERR_get_error():
        reason = _lib.ERR_reason_error_string(code)
        reasons.append(f"error {code}" if reason == _NULL else _text(reason))
    return "; ".join(reasons) or "the client left"


def _report(_kind: object, error: BaseException, _traceback: object) -> None:
    """A callback may not raise: the handshake fails by what it returns then."""
    error_log.error("a fault in a handshake", exc_info=error)
