"""What OpenSSL says, in Python's types."""

import pytest

from gemd.system import openssl_calls
from gemd.system.openssl_calls import NULL, decode_text, encode_certificate, explain_errors, ffi, lib, report_fault
from tests.support.certificate_chains import Link


@pytest.fixture
def certificate():
    """One as OpenSSL has it, and its DER."""
    der = Link().der
    bio = lib.BIO_new(openssl_calls.MEMORY)
    lib.BIO_write(bio, der, len(der))
    held = lib.d2i_X509_bio(bio, NULL)
    lib.BIO_free(bio)
    yield held, der
    lib.X509_free(held)


def test_a_certificate_in_der(certificate):
    held, der = certificate
    for _ in range(2):  # the buffer is shared
        assert encode_certificate(held) == der
    assert encode_certificate(NULL) == b""
    explain_errors()


def test_a_text_of_c_s_is_one_for_a_log_line():
    assert decode_text(ffi.new("char[]", b"a\xff")) == "a\\xff"


def test_errors_are_explained_once():
    lib.ERR_put_error(lib.ERR_LIB_EVP, 0, 138, b"", 0)
    lib.ERR_put_error(lib.ERR_LIB_EVP, 0, 4000, b"", 0)
    explained = explain_errors()
    assert explained.count("; ") == 1
    assert explain_errors() == "the client left"


def test_a_fault_in_a_callback_is_reported(capsys):
    report_fault(None, RuntimeError("no such table"), None)
    assert "no such table" in capsys.readouterr().err
