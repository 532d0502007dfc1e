"""TLS: the contexts that the master builds, and one connection's side of it.

Rules: TLS 1.2 and 1.3 with forward secrecy and AEAD only, no renegotiation, no resumption; nothing here knows a socket.
A client certificate is asked for and never judged here, as most are self-signed;
responders decide. The only module that imports OpenSSL.
"""

import errno
from collections.abc import Iterable, Mapping

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL, crypto

from gemd.config.settings import TLS
from gemd.protocol.host import find_by_name, normalise_server_name
from gemd.protocol.peer import ClientCertificate
from gemd.system.certificates import ServerCertificate
from gemd.system.client_certificates import parse_client_certificate

# Server preference. AES-128 first: the cheapest with AES instructions, and Gemini's clients are many small devices.
_TLS13_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
_TLS12_SUITES = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
_MINIMUM = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

# <openssl/ssl.h>; pyOpenSSL has no names for them.
_MODE_PARTIAL_WRITE = 0x1
_MODE_NO_AUTO_CHAIN = 0x8
_MODE_RELEASE_BUFFERS = 0x10
_OP_NO_RENEGOTIATION = 0x40000000
_OP_CIPHER_SERVER_PREFERENCE = 0x00400000

_lib, _ffi = Binding.lib, Binding.ffi
_BUFFER_SIZE = 96 * 1024  # the largest piece of an answer fits, with what TLS adds
_buffer = _ffi.new("char[]", _BUFFER_SIZE)

Context = SSL.Context


class TLSError(Exception):
    """The connection can't go on; the text says why, in words fit for a log line."""


def build_context(certificate: ServerCertificate, settings: TLS) -> Context:
    """A server context for one certificate. Runs in the master; workers inherit it.

    Raises TLSError for a certificate that OpenSSL finds too weak.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_MINIMUM[settings.minimum_version])
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | _OP_NO_RENEGOTIATION | _OP_CIPHER_SERVER_PREFERENCE)
    # OP_NO_TICKET alone would make OpenSSL keep every session: 1 KB a handshake.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"gemd")  # needed wherever client certificates are asked for
    # Without it OpenSSL builds the chain anew at each handshake; ours is loaded in full.
    context.set_mode(_MODE_NO_AUTO_CHAIN | _MODE_RELEASE_BUFFERS)
    # A partial write returns after each 16 KB record; a whole one leaves the loop to OpenSSL.
    context.clear_mode(_MODE_PARTIAL_WRITE)
    context.set_cipher_list(_TLS12_SUITES)
    context.set_tls13_ciphersuites(_TLS13_SUITES)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE, _accept_any)
    # OpenSSL would check every signature of a chain, however long, though nothing depends on it here.
    context.set_verify_depth(0)
    try:
        context.use_certificate(certificate.chain[0])
        for issuer in certificate.chain[1:]:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(certificate.key)
        context.check_privatekey()
    except SSL.Error as error:
        raise TLSError(f"{certificate.path} can't be used: {_reason(error)}") from None
    return context


def choose_by_server_name(first: Context, contexts: Mapping[str, Context]) -> None:
    """Let the name that a client asks for choose among `contexts`, whose keys may be wildcards; else `first` stays."""

    def choose(connection: SSL.Connection) -> None:
        name = normalise_server_name(connection.get_servername())
        if name is None:
            return
        context = find_by_name(contexts, name)
        if context is not None:
            connection.set_context(context)

    first.set_tlsext_servername_callback(choose)


def _accept_any(*_: object) -> bool:
    return True


class TLSConnection:
    """The server's side of one TLS connection, without a socket: bytes from the client are fed, bytes for it are taken.

    Whoever reads the socket can so count and bound what a client sends, and look at the time between any two reads.
    For one thread alone: all connections share a buffer, and OpenSSL's queue of errors. What a call leaves there, as
    does a handshake that succeeds in spite of an odd certificate, would be taken for a fault of the next call, up to
    OpenSSL 3: so each begins with an empty queue.
    """

    __slots__ = ("_certificate", "_connection", "_from_ssl", "_has_asked", "_into_ssl", "_ssl")

    def __init__(self, context: Context) -> None:
        """Raises TLSError when OpenSSL has no memory for it."""
        try:
            self._connection = SSL.Connection(context, None)
        except SSL.Error as error:
            raise TLSError(_reason(error)) from None
        self._connection.set_accept_state()
        # What pyOpenSSL's methods would call, without the exception that each "not yet" is to them: a third of a page.
        self._ssl = self._connection._ssl
        self._into_ssl = self._connection._into_ssl
        self._from_ssl = self._connection._from_ssl
        self._certificate: ClientCertificate | None = None
        self._has_asked = False

    def feed(self, data: bytes) -> None:
        """What the client has sent; nothing is done with it yet."""
        _lib.BIO_write(self._into_ssl, data, len(data))

    def take(self) -> bytes:
        """What is to be sent to the client, b"" if there is nothing."""
        pieces = []
        while (size := _lib.BIO_read(self._from_ssl, _buffer, _BUFFER_SIZE)) > 0:
            pieces.append(bytes(_ffi.buffer(_buffer, size)))
            if size < _BUFFER_SIZE:
                break
        return b"".join(pieces)

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches. Whether it is done. Raises TLSError."""
        _lib.ERR_clear_error()
        result = _lib.SSL_do_handshake(self._ssl)
        if result == 1:
            return True
        self._check(result)
        return False

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes of what was fed, decrypted; None when there are none, b"" when the client is done
        sending. Raises TLSError."""
        _lib.ERR_clear_error()
        result = _lib.SSL_read(self._ssl, _buffer, min(size, _BUFFER_SIZE))
        if result > 0:
            return bytes(_ffi.buffer(_buffer, result))
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
        try:
            self._connection._raise_ssl_error(self._ssl, result)
        except SSL.Error as failure:
            raise TLSError(_reason(failure)) from None
        return True

    @property
    def version(self) -> str:
        """As OpenSSL names it: "TLSv1.3"."""
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """As OpenSSL names it: "TLS_AES_128_GCM_SHA256"."""
        return self._connection.get_cipher_name() or ""

    @property
    def server_name(self) -> str | None:
        """The host that the client asked for (RFC 6066, 3), in lower case; None when it named none."""
        return normalise_server_name(self._connection.get_servername())

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """None when the client gave none."""
        if not self._has_asked:  # access control, scripts and the log all want to know
            self._has_asked = True
            certificate = self._connection.get_peer_certificate()
            if certificate is not None:
                der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
                self._certificate = parse_client_certificate(der)
        return self._certificate

    @property
    def client_chain(self) -> tuple[bytes, ...]:
        """What the client sent along to vouch for its certificate, in DER; its own comes first."""
        own = self._connection.get_peer_certificate()
        if own is None:
            return ()
        # On the server's side OpenSSL leaves the client's own certificate out of the chain.
        others = self._connection.get_peer_cert_chain() or []
        return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in (own, *others))


def _reason(error: SSL.Error) -> str:
    if isinstance(error, SSL.SysCallError):
        number, _ = error.args
        return "the client left" if number < 0 else errno.errorcode.get(number, str(number))
    if isinstance(error, SSL.ZeroReturnError):
        return "the client said close_notify"
    reasons: Iterable[tuple[str, ...]] = error.args[0] if error.args and isinstance(error.args[0], list) else ()
    return "; ".join(reason[-1] for reason in reasons) or type(error).__name__
