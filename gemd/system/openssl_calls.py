"""OpenSSL's functions as pyOpenSSL has them, and what they say in Python's types: for `openssl_direct` alone.

Rules: these names are private to pyOpenSSL and cryptography. A release without one of them is noticed when this module
is imported. What is read at once lies in one buffer, which all connections share.
"""

from typing import Any

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

from gemd.system.log import error_log
from gemd.system.tls import TAKE_SIZE

CData = Any  # what cffi has for C's values

lib, ffi = Binding.lib, Binding.ffi

for _name in (
    *("BIO_free", "BIO_new", "BIO_read", "BIO_s_mem", "BIO_write", "ERR_clear_error", "ERR_get_error"),
    *("ERR_reason_error_string", "SSL_CIPHER_get_name", "SSL_CTX_set_tlsext_servername_callback"),
    *("SSL_CTX_set_verify", "SSL_ERROR_WANT_READ", "SSL_ERROR_ZERO_RETURN", "SSL_OP_NO_TICKET", "SSL_do_handshake"),
    *("SSL_free", "SSL_get_current_cipher", "SSL_get_error", "SSL_get_ex_data_X509_STORE_CTX_idx"),
    *("SSL_get_peer_cert_chain", "SSL_get_peer_certificate", "SSL_get_servername", "SSL_get_version", "SSL_new"),
    *("SSL_read", "SSL_session_reused", "SSL_set_SSL_CTX", "SSL_set_accept_state", "SSL_set_bio", "SSL_set_options"),
    *("SSL_shutdown", "SSL_write", "TLSEXT_NAMETYPE_host_name", "X509_STORE_CTX_get_current_cert"),
    *("X509_STORE_CTX_get_ex_data", "X509_STORE_CTX_set_error", "X509_V_OK", "X509_free", "i2d_X509_bio"),
    *("sk_X509_num", "sk_X509_value"),
):
    getattr(lib, _name)
_ = SSL.Context(SSL.TLS_SERVER_METHOD)._context

NULL = ffi.NULL
MEMORY = lib.BIO_s_mem()  # what OpenSSL reads from and writes to
buffer: CData = ffi.new("char[]", TAKE_SIZE)
octets = memoryview(ffi.buffer(buffer))


def find_server_name(ssl: CData) -> bytes | None:
    """The host that a client asked for, as it was sent; None when it named none."""
    name = lib.SSL_get_servername(ssl, lib.TLSEXT_NAMETYPE_host_name)
    return None if name == NULL else bytes(ffi.string(name))


def find_connection(store: CData) -> CData:
    """The connection whose certificate is being verified."""
    return lib.X509_STORE_CTX_get_ex_data(store, lib.SSL_get_ex_data_X509_STORE_CTX_idx())


def encode_certificate(certificate: CData) -> bytes:
    """In DER; b"" for none."""
    bio = lib.BIO_new(MEMORY)
    try:
        lib.i2d_X509_bio(bio, certificate)
        size = lib.BIO_read(bio, buffer, TAKE_SIZE)  # no handshake has as much as that
        return bytes(octets[: max(0, size)])
    finally:
        lib.BIO_free(bio)


def decode_text(characters: CData) -> str:
    """C's string."""
    return str(ffi.string(characters).decode("ascii", "backslashreplace"))


def explain_errors() -> str:
    """What is in the queue of errors, which is empty then, in words fit for a log line."""
    reasons = []
    while code := lib.ERR_get_error():
        reason = lib.ERR_reason_error_string(code)
        reasons.append(f"error {code}" if reason == NULL else decode_text(reason))
    return "; ".join(reasons) or "the client left"


def report_fault(_kind: object, error: BaseException, _traceback: object) -> None:
    """A callback may not raise: the handshake fails by what it returns then."""
    error_log.error("a fault in a handshake", exc_info=error)
