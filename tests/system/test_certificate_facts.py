import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gemd.protocol.fingerprint import sha256
from gemd.system.certificate_facts import parse_facts, read_facts
from gemd.system.certificates import CertificateError, make_self_signed

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


def test_what_is_in_a_certificate(key, tmp_path):
    certificate = make_self_signed(key, ("h", "*.g", "::1"))
    facts = parse_facts(certificate.public_bytes(Encoding.DER))
    assert facts.names == ("h", "*.g", "::1")
    assert facts.key_type == "ECDSA P-256"
    assert facts.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert facts.public_key_fingerprint == sha256(spki)
    assert facts.not_before < NOW < facts.not_after
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    assert read_facts(tmp_path / "c.pem") == facts


def certify(key, hash_algorithm=None):
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW)
    return builder.sign(key, hash_algorithm).public_bytes(Encoding.DER)


def test_kinds_of_keys():
    assert parse_facts(certify(rsa.generate_private_key(65537, 2048), hashes.SHA256())).key_type == "RSA 2048"
    assert parse_facts(certify(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256())).key_type == "ECDSA P-384"
    assert parse_facts(certify(ed25519.Ed25519PrivateKey.generate())).key_type == "Ed25519"


def test_without_names(key):
    assert parse_facts(certify(key, hashes.SHA256())).names == ()


@pytest.mark.parametrize("der", [b"", b"nothing", b"\x30\x03\x02\x01\x00"])
def test_what_is_no_certificate(der):
    with pytest.raises(CertificateError, match="the certificate can't be read"):
        parse_facts(der)


def test_files_that_can_not_be_read(tmp_path):
    with pytest.raises(CertificateError, match=r"c\.pem can't be read: No such file"):
        read_facts(tmp_path / "c.pem")
    (tmp_path / "c.pem").write_text("nothing")
    with pytest.raises(CertificateError, match=r"c\.pem has no certificate in PEM or DER form$"):
        read_facts(tmp_path / "c.pem")
    (tmp_path / "c.pem").write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(CertificateError, match=r"c\.pem has a certificate in PEM form that is damaged: "):
        read_facts(tmp_path / "c.pem")
