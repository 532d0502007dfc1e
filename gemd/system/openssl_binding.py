"""Which of two modules calls OpenSSL: `openssl_direct`, or `openssl_public` where a release of pyOpenSSL or of
cryptography no longer has what that needs.

Rule: it is decided once, when this is imported, by what is there.
"""

from collections.abc import Callable

from OpenSSL import SSL

from gemd.system import openssl_public
from gemd.system.tls import Context, IsAcceptable

MakeContext = Callable[[SSL.Context, IsAcceptable], Context]

make_context: MakeContext
clear_errors: Callable[[], None]  # empties OpenSSL's queue of errors
try:
    from gemd.system import openssl_direct
except (ImportError, AttributeError):
    BINDING, make_context = openssl_public.NAME, openssl_public.PublicContext
    clear_errors = openssl_public.clear_errors
else:
    BINDING, make_context = openssl_direct.NAME, openssl_direct.DirectContext
    clear_errors = openssl_direct.clear_errors
