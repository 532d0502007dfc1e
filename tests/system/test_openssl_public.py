"""What only pyOpenSSL's public interface needs."""

import pytest
from OpenSSL import SSL

from gemd.config.settings import TLS
from gemd.system import openssl_direct, openssl_public
from gemd.system.openssl_public import PublicContext, explain
from gemd.system.tls import TLSError
from gemd.system.tls_context import build_context
from tests.support.tls_client import make_context
from tests.support.tls_pair import Pair

_lib = openssl_direct._lib


def test_a_connection_that_openssl_has_no_memory_for_is_a_fault_of_tls(certificates, monkeypatch):
    def fail(*_):
        raise SSL.Error([("SSL routines", "", "malloc failure")])

    pair = Pair(build_context(certificates["h"], TLS(), PublicContext), make_context())
    monkeypatch.setattr(SSL, "Connection", fail)
    with pytest.raises(TLSError, match="malloc failure"):
        pair.step()


def test_the_queue_of_errors_can_be_emptied():
    _lib.ERR_put_error(_lib.ERR_LIB_EVP, 0, 138, b"", 0)
    openssl_public.clear_errors()
    assert _lib.ERR_peek_error() == 0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SSL.SysCallError(-1, "Unexpected EOF"), "the client left"),
        (SSL.SysCallError(104, "ECONNRESET"), "ECONNRESET"),
        (SSL.ZeroReturnError(), "the client said close_notify"),
        (SSL.Error([("SSL routines", "", "a"), ("SSL routines", "", "b")]), "a; b"),
        (SSL.Error(), "Error"),
    ],
)
def test_errors_in_words(error, text):
    assert explain(error) == text
