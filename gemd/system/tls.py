"""TLS: the server's side of one connection, by OpenSSL.

Rule: nothing here knows a socket; bytes go in and come out.
"""

import errno
from collections.abc import Iterable

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL, crypto

from gemd.protocol.host import normalise_server_name
from gemd.protocol.peer import ClientCertificate
from gemd.system.client_certificates import parse_client_certificate

_lib, _ffi = Binding.lib, Binding.ffi
_HANDSHAKE = 22  # the content type of a record (RFC 8446, 5.1)
_BUFFER_SIZE = 96 * 1024  # the largest piece of an answer fits, with what TLS adds
_LARGE = 16 * 1024  # bytes at once, which no handshake has
_buffer = _ffi.new("char[]", _BUFFER_SIZE)


class TLSError(Exception):
    """The connection can't go on; the text says why, in words fit for a log line."""


class TLSConnection:
    """The server's side of one TLS connection, without a socket: bytes from the client are fed, bytes for it are taken.

    Whoever reads the socket can so count and bound what a client sends, and look at the time between any two reads.
    Nothing is made before the client's first record is whole: one that sends half of it costs next to nothing.

    For one thread alone: all connections share a buffer, and OpenSSL's queue of errors. What a call leaves there, as
    does a handshake that succeeds in spite of an odd certificate, would be taken for a fault of the next call, up to
    OpenSSL 3: so each begins with an empty queue.
    """

    __slots__ = (
        "__weakref__",
        "_certificate",
        "_chain",
        "_connection",
        "_context",
        "_from_ssl",
        "_has_asked",
        "_into_ssl",
        "_record",
        "_ssl",
    )

    _connection: SSL.Connection

    def __init__(self, context: SSL.Context) -> None:
        self._context = context
        self._record = b""  # the client's first, as far as it is here
        self._ssl = self._into_ssl = self._from_ssl = _ffi.NULL
        self._certificate: ClientCertificate | None = None
        self._has_asked = False
        self._chain: tuple[bytes, ...] | None = None

    def _start(self) -> None:
        """Raises TLSError when OpenSSL has no memory for it."""
        try:
            self._connection = SSL.Connection(self._context, None)
        except SSL.Error as error:
            raise TLSError(explain(error)) from None
        self._connection.set_accept_state()
        # What pyOpenSSL's methods would call, without the exception that each "not yet" is to them: a third of a page.
        self._ssl = self._connection._ssl
        self._into_ssl = self._connection._into_ssl
        self._from_ssl = self._connection._from_ssl

    def feed(self, data: bytes) -> None:
        """What the client has sent; nothing is done with it yet. Raises TLSError when there is no memory for it."""
        if not self._ssl:
            data = self._record + data
            if not has_whole_record(data):
                self._record = data
                return
            self._record = b""
            self._start()
        _lib.BIO_write(self._into_ssl, data, len(data))

    def take(self) -> bytes:
        """What is to be sent to the client, b"" if there is nothing."""
        if not self._ssl:
            return b""
        pieces = []
        while (size := _lib.BIO_read(self._from_ssl, _buffer, _BUFFER_SIZE)) > 0:
            pieces.append(bytes(_ffi.buffer(_buffer, size)))
            if size < _BUFFER_SIZE:
                break
        if pieces and size > _LARGE:
            self._let_go_of_memory()
        return b"".join(pieces)

    def _let_go_of_memory(self) -> None:
        """What OpenSSL writes to and reads from keeps the size that it once had: have it use new ones.

        A client is answered by then, and what else it has sent is of no interest.
        """
        incoming, outgoing = _lib.BIO_new(_lib.BIO_s_mem()), _lib.BIO_new(_lib.BIO_s_mem())
        if incoming and outgoing:
            _lib.SSL_set_bio(self._ssl, incoming, outgoing)  # which frees the former ones
            self._into_ssl, self._from_ssl = incoming, outgoing

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed reaches. Whether it is done. Raises TLSError."""
        if not self._ssl:
            return False
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
            raise TLSError(explain(failure)) from None
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
        if self._chain is None:  # asked for again by a thread that works out a listing
            own = self._connection.get_peer_certificate()
            # On the server's side OpenSSL leaves the client's own certificate out of the chain.
            others = self._connection.get_peer_cert_chain() or []
            chain = (own, *others) if own is not None else ()
            self._chain = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in chain)
        return self._chain


def has_whole_record(data: bytes) -> bool:
    """Whether a client's first record is here, or something that is none (RFC 8446, 5.1)."""
    return bool(data) and (data[0] != _HANDSHAKE or (len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5])))


def explain(error: SSL.Error) -> str:
    """What OpenSSL has to say of it, in words fit for a log line."""
    if isinstance(error, SSL.SysCallError):
        number, _ = error.args
        return "the client left" if number < 0 else errno.errorcode.get(number, str(number))
    if isinstance(error, SSL.ZeroReturnError):
        return "the client said close_notify"
    reasons: Iterable[tuple[str, ...]] = error.args[0] if error.args and isinstance(error.args[0], list) else ()
    return "; ".join(reason[-1] for reason in reasons) or type(error).__name__
