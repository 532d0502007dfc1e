"""What OpenSSL refuses, as an operator reads it."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from gemd.config.settings import TLS
from gemd.system.certificate_refusals import explain_refusal
from gemd.system.certificates import ServerCertificate
from gemd.system.tls import TLSError
from gemd.system.tls_client import ClientContext
from gemd.system.tls_context import build_context

DAY = datetime.timedelta(days=1)


def test_what_openssl_has_against_it_is_told_in_our_words():
    for reason in ("ee key too small", "ca key too small", "ca md too weak"):
        text = explain_refusal(Path("/c.pem"), reason)
        assert text.startswith("/c.pem can't be used: ")
        assert reason not in text
    assert explain_refusal(Path("/c.pem"), "no such thing") == "/c.pem can't be used: no such thing"


@pytest.mark.parametrize("build", [lambda one: build_context(one, TLS()), ClientContext], ids=["server", "client"])
def test_a_short_key_is_refused_by_openssl(build):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - DAY, now + DAY)
    weak = ServerCertificate((builder.sign(key, hashes.SHA256()),), key, Path("/c.pem"))
    with pytest.raises(TLSError, match=r"^/c.pem can't be used: its key is shorter than OpenSSL's security level"):
        build(weak)
