"""What gemd runs on, in words: for whoever reports a fault."""

import platform

import cryptography
import OpenSSL
from OpenSSL import SSL

from gemd import __version__
from gemd.system.openssl_binding import BINDING


def describe_versions() -> str:
    """Two lines: gemd's own version, then those of what it stands on and how OpenSSL is called."""
    openssl = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1]
    return (
        f"gemd {__version__}\nPython {platform.python_version()}, OpenSSL {openssl} {BINDING} "
        f"(pyOpenSSL {OpenSSL.__version__}, cryptography {cryptography.__version__})"
    )
