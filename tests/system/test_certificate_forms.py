"""Certificates and keys in the forms that other servers have."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gemd.system.certificate_forms import is_der, read_as_pem
from gemd.system.certificates import CertificateError, find_or_make, load, make_self_signed

FORMS = serialization.Encoding.PEM, serialization.Encoding.DER


def write(folder, key, certificate, form=serialization.Encoding.DER, key_form=serialization.PrivateFormat.PKCS8):
    (folder / "cert").write_bytes(certificate.public_bytes(form))
    (folder / "key").write_bytes(key.private_bytes(form, key_form, serialization.NoEncryption()))
    return folder / "cert", folder / "key"


@pytest.fixture
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("form", FORMS, ids=["PEM", "DER"])
@pytest.mark.parametrize(
    "key_form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_either_form_can_be_read(tmp_path, key, form, key_form):
    certificate = make_self_signed(key, ("h",))
    paths = write(tmp_path, key, certificate, form, key_form)
    assert is_der(paths[0]) == is_der(paths[1]) == (form is serialization.Encoding.DER)
    for path, content in zip((tmp_path / "h.crt", tmp_path / "h.key"), read_as_pem(*paths), strict=True):
        path.write_bytes(content)
    assert load(tmp_path / "h.crt", tmp_path / "h.key").chain == (certificate,)
    assert find_or_make(tmp_path, ("h",)).chain == (certificate,)


def test_a_file_that_is_not_there_is_named(tmp_path, key):
    with pytest.raises(CertificateError, match="missing: No such file"):
        read_as_pem(tmp_path / "missing", tmp_path / "key")
    with pytest.raises(CertificateError, match="Is a directory"):
        is_der(tmp_path)


def test_what_is_none_is_named(tmp_path, key):
    certificate, path = write(tmp_path, key, make_self_signed(key, ("h",)))
    (tmp_path / "none").write_bytes(b"x")
    (tmp_path / "pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    for pair, reason in (
        ((tmp_path / "none", path), "none: no certificate in PEM or DER"),
        ((certificate, tmp_path / "none"), "none: no private key in PEM or DER"),
        ((tmp_path / "pem", path), "can't be used"),
    ):
        with pytest.raises(CertificateError, match=reason):
            read_as_pem(*pair)


def test_both_belong_together_and_can_be_used(tmp_path, key):
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateError, match="is not the key of"):
        read_as_pem(*write(tmp_path, other, make_self_signed(key, ("h",))))
    with pytest.raises(CertificateError, match="neither an ECDSA nor an RSA key"):
        read_as_pem(*write(tmp_path, ed25519.Ed25519PrivateKey.generate(), make_self_signed(key, ("h",))))
