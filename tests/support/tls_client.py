"""The client's side of TLS for tests, on whatever `ssl` module the Python at hand has.

Rule: an end without close_notify is never taken for a proper one. OpenSSL can be told to ignore the difference, some
builds of Python tell it so, and older ones have no exception of its own for it.
"""

import ssl


def make_context() -> ssl.SSLContext:
    """Of a client that trusts anybody. No session is ever resumed: each connection is a whole handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def is_cut(error: OSError) -> bool:
    """Whether an error of `recv` says that the connection ended without close_notify."""
    if isinstance(error, (ssl.SSLEOFError, ConnectionResetError)):
        return True
    return isinstance(error, ssl.SSLError) and error.reason == "UNEXPECTED_EOF_WHILE_READING"
