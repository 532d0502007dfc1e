"""Certificates and keys in the forms that other servers have."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gemd.system.certificate_forms import is_der, render_pem
from gemd.system.certificates import CertificateError, find_or_make, load, make_self_signed

FORMS = serialization.Encoding.PEM, serialization.Encoding.DER


def write(folder, key, certificate, form):
    (folder / "cert").write_bytes(certificate.public_bytes(form))
    (folder / "key").write_bytes(
        key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert", folder / "key"


@pytest.mark.parametrize("form", FORMS, ids=["PEM", "DER"])
@pytest.mark.parametrize("make", [lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate])
def test_either_form_becomes_that_of_gemd(tmp_path, form, make):
    key = make()
    certificate = make_self_signed(key, ("h",))
    paths = write(tmp_path, key, certificate, form)
    assert is_der(paths[0]) == is_der(paths[1]) == (form is serialization.Encoding.DER)
    for path, content in zip((tmp_path / "h.crt", tmp_path / "h.key"), render_pem(load(*paths)), strict=True):
        path.write_bytes(content)
        assert not is_der(path)
    assert find_or_make(tmp_path, ("h",)).chain == (certificate,)


def test_a_chain_stays_whole(tmp_path):
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    certificate, key = write(tmp_path, keys[0], make_self_signed(keys[0], ("h",)), serialization.Encoding.PEM)
    other = make_self_signed(keys[1], ("other",)).public_bytes(serialization.Encoding.PEM)
    certificate.write_bytes(certificate.read_bytes() + other)
    assert render_pem(load(certificate, key))[0] == certificate.read_bytes()


def test_a_file_that_can_not_be_read_is_named(tmp_path):
    with pytest.raises(CertificateError, match="missing: No such file"):
        is_der(tmp_path / "missing")
    with pytest.raises(CertificateError, match="Is a directory"):
        is_der(tmp_path)
