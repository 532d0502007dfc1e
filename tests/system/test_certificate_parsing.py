"""Files that should hold a certificate or a key, and what else is in them."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import NameOID

from gemd.config.settings import TLS
from gemd.system.certificate_parsing import (
    count_keys,
    is_pem,
    is_self_signed,
    parse_chain,
    parse_key,
    read_content,
    read_names,
)
from gemd.system.certificates import ServerCertificate, make_self_signed
from gemd.system.tls import TLSError
from gemd.system.tls_context import build_context

PATH = Path("/f")
KEY = ec.generate_private_key(ec.SECP256R1())
CERTIFICATE = make_self_signed(KEY, ("h", "::1"))
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
KEY_PEM = KEY.private_bytes(PEM, PKCS8, PLAIN)
CERTIFICATE_PEM = CERTIFICATE.public_bytes(PEM)
REQUEST = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(KEY, hashes.SHA256()).public_bytes(PEM)
PUBLIC = KEY.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SSH = KEY.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, PLAIN)
BUNDLE = pkcs7.serialize_certificates([CERTIFICATE], PEM)
ARCHIVES = [
    pkcs12.serialize_key_and_certificates(b"h", KEY, CERTIFICATE, None, encryption)
    for encryption in (PLAIN, serialization.BestAvailableEncryption(b"x"))
]
ARCHIVED = "/f is in PKCS #12 form: `openssl pkcs12 -in /f -nodes -out both.pem` makes a PEM file of it, "
NO_CERTIFICATE = "/f has no certificate in PEM or DER form"
NO_KEY = "/f has no private key in PEM or DER form"

NO_CERTIFICATES = {
    "nothing": (b"\n", "/f is empty: there is no certificate in it"),
    "text": (b"hello", NO_CERTIFICATE),
    "a label": (b"-----BEGIN ", NO_CERTIFICATE),
    "a key": (KEY_PEM, f"{NO_CERTIFICATE}, but a private key: name the file with the certificate"),
    "a request": (REQUEST, f"{NO_CERTIFICATE}, but a request for a certificate: name the file with the certificate"),
    "PKCS #7": (BUNDLE, f"{NO_CERTIFICATE}, but certificates in PKCS #7 form: name the file with the certificate"),
    "several": (
        REQUEST + KEY_PEM + KEY_PEM,
        f"{NO_CERTIFICATE}, but a request for a certificate and a private key: name the file with the certificate",
    ),
    "a part": (
        CERTIFICATE_PEM[:200],
        "/f has a certificate in PEM form that is damaged: a part of it was lost or changed; copy it anew",
    ),
}
NO_KEYS = {
    "nothing": (b"", "/f is empty: there is no private key in it"),
    "text": (b"hello", NO_KEY),
    "a certificate": (CERTIFICATE_PEM, f"{NO_KEY}, but a certificate: name the file with the private key"),
    "a key of OpenSSH": (
        SSH,
        f"{NO_KEY}, but a private key in a form of OpenSSH alone: name the file with the private key",
    ),
    "a public key": (PUBLIC, f"{NO_KEY}, but a public key: name the file with the private key"),
    "a part": (
        KEY_PEM[:100],
        "/f has a private key in PEM form that is damaged: a part of it was lost or changed; copy it anew",
    ),
}


@pytest.mark.parametrize(("content", "text"), NO_CERTIFICATES.values(), ids=NO_CERTIFICATES)
def test_what_is_no_certificate(content, text):
    with pytest.raises(ValueError, match=r"^/f ") as caught:
        parse_chain(content, PATH)
    assert str(caught.value) == text


@pytest.mark.parametrize(("content", "text"), NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key(content, text):
    with pytest.raises(ValueError, match=r"^/f ") as caught:
        parse_key(content, PATH)
    assert str(caught.value) == text


@pytest.mark.parametrize("content", ARCHIVES, ids=["plain", "encrypted"])
def test_an_archive_has_to_be_taken_apart(content):
    for parse in (parse_chain, parse_key):
        with pytest.raises(ValueError, match=r"^/f ") as caught:
            parse(content, PATH)
        assert str(caught.value) == f"{ARCHIVED}which can be both certificate and key"


@pytest.mark.parametrize("form", [PEM, DER], ids=["PEM", "DER"])
def test_both_forms_are_read(form):
    assert parse_chain(CERTIFICATE.public_bytes(form), PATH) == (CERTIFICATE,)
    key = KEY.private_bytes(form, PKCS8, PLAIN)
    assert parse_key(key, PATH).private_numbers() == KEY.private_numbers()
    assert is_pem(key) == (form is PEM)
    assert count_keys(key) == 1


def test_parameters_before_a_key_are_no_key():
    older = KEY.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, PLAIN)
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert parse_key(parameters + older, PATH).private_numbers() == KEY.private_numbers()
    assert count_keys(parameters + older) == 1
    assert count_keys(older + CERTIFICATE_PEM + KEY_PEM) == 2


def test_names_and_whether_it_is_its_own_issuer():
    assert read_names(CERTIFICATE) == ("h", "::1")
    assert is_self_signed(CERTIFICATE)
    bare = certify(KEY)
    assert read_names(bare) == ()
    assert not is_self_signed(bare)


# Keys with which no handshake succeeds, and those with which one does


def certify(key):
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("h", "CA"))
    start, end = CERTIFICATE.not_valid_before_utc, CERTIFICATE.not_valid_after_utc
    return x509.CertificateBuilder(issuer, subject, key.public_key(), 1, start, end).sign(key, hashes.SHA256())


def handshake(key, version):
    """Whether a client comes in. The client is Python's, with OpenSSL's own choice of curves and signatures."""
    server = build_context(ServerCertificate((certify(key),), key, PATH), TLS()).make_connection()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out)
    for _ in range(5):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            server.feed(out.read())
            try:
                server.handshake()
            except TLSError:
                return False
            while data := bytes(server.take()):
                into.write(data)
        else:
            return True
    return False


VERSIONS = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REFUSED = [ec.SECP224R1, ec.SECP256K1, ec.BrainpoolP256R1, ec.BrainpoolP384R1, ec.BrainpoolP512R1]


@pytest.mark.parametrize("curve", REFUSED, ids=lambda curve: curve.name)
def test_a_key_on_a_curve_that_no_client_comes_in_by_is_refused(curve):
    key = ec.generate_private_key(curve())
    with pytest.raises(ValueError, match=f"^/f is a key on the curve {curve.name}, with which no handshake succeeds"):
        parse_key(key.private_bytes(PEM, PKCS8, PLAIN), PATH)
    is_later = ssl.OPENSSL_VERSION_INFO >= (3, 2) and "brainpool" in curve.name  # which has them for itself in TLS 1.3
    assert not any(handshake(key, version) for version in VERSIONS[: 1 if is_later else 2])


@pytest.mark.parametrize(
    "make",
    [lambda: rsa.generate_private_key(65537, 2048)]
    + [lambda curve=curve: ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)],
    ids=["RSA", "P-256", "P-384", "P-521"],
)
def test_clients_come_in_by_the_others(make):
    key = make()
    parse_key(key.private_bytes(PEM, PKCS8, PLAIN), PATH)
    assert all(handshake(key, version) for version in VERSIONS)


def test_a_pipe_that_nobody_writes_to(tmp_path):
    os.mkfifo(tmp_path / "x")
    assert read_content(tmp_path / "x") == b""


def test_no_more_is_read_than_certificates_have(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"x" * (1 << 20))
    assert len(read_content(path)) == 1 << 20
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(OSError, match="File too large"):
        read_content(path)
    with pytest.raises(OSError, match="File too large"):
        read_content(Path("/dev/zero"))
