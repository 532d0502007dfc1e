import pytest

from gemd.config.settings import TLS
from gemd.system import openssl_direct, openssl_public
from gemd.system.certificates import find_or_make
from gemd.system.tls_context import build_context
from tests.support.tls_client import make_context
from tests.support.tls_pair import Pair


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    return {name: find_or_make(directory, (name,)) for name in ("h", "g", "*.wild")}


BINDINGS = [openssl_direct.DirectContext, openssl_public.PublicContext]


@pytest.fixture(params=BINDINGS, ids=["direct", "public"])
def make(request):
    """Each of the two ways to call OpenSSL."""
    return request.param


@pytest.fixture
def build(make):
    """A context for a certificate."""
    return lambda certificate, minimum="1.2": build_context(certificate, TLS(minimum_version=minimum), make)


@pytest.fixture
def connect(certificates, build):
    """A pair that has shaken hands; `context` is the server's."""

    def connect(client=None, server_name=None, *, minimum="1.2", context=None):
        context = context or build(certificates["h"], minimum)
        pair = Pair(context, client or make_context(), server_name)
        pair.shake_hands()
        return pair

    return connect
