"""The OpenSSL inside the cryptography library, loaded as gemd's own processes want it.

Rule: OpenSSL reads its configuration once, when it is loaded, so a program of gemd's loads it before it imports
anything that needs it. A module that is merely imported, by an application's tests for example, changes nothing.
"""

import importlib
import importlib.util
import mmap
import os
import sys
import warnings
from pathlib import Path

WITHOUT_TICKETS, WITH_TICKETS = "openssl.cnf", "openssl-tickets.cnf"

_VARIABLE = "OPENSSL_CONF"  # openssl-env(7)
_LIBRARY = "cryptography.hazmat.bindings._rust"
_PYTHONS_OWN = ("_hashlib", "_ssl")  # modules that load OpenSSL as well

_loaded: str | None = None  # the configuration of ours that it was loaded with


def load_openssl(configuration: str = WITHOUT_TICKETS) -> bool:
    """Load it with the `configuration` beside this file, unless the environment names another one; the environment is
    afterwards what it was. False when it is there already, and goes by somebody else's."""
    global _loaded
    is_first, is_given = not _is_loaded(), _VARIABLE in os.environ
    if not is_given:
        os.environ[_VARIABLE] = str(Path(__file__).with_name(configuration))
    try:
        importlib.import_module(_LIBRARY)
    finally:
        if not is_given:
            del os.environ[_VARIABLE]
    ignore_certificate_warnings()
    if is_first and not is_given:
        _loaded = configuration
    return is_first or is_given


def _is_loaded() -> bool:
    """Also by Python itself, where both use the OpenSSL of a distribution."""
    if _LIBRARY in sys.modules:
        return True
    if sys.modules.keys().isdisjoint(_PYTHONS_OWN):
        return False
    library = importlib.util.find_spec(_LIBRARY)
    if library is None or library.origin is None:
        return False
    with Path(library.origin).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        return octets.find(b"libcrypto.so") >= 0


def has_tickets() -> bool:
    """Whether OpenSSL may send session tickets, as far as that is known of somebody else's configuration."""
    return _loaded != WITHOUT_TICKETS


def ignore_certificate_warnings() -> None:
    """Have this process say nothing of oddities of certificates, which are those of strangers."""
    from cryptography.utils import CryptographyDeprecationWarning

    warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)
    warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)
