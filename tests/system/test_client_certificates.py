import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.fingerprint import sha256
from gemd.system.client_certificates import parse_client_certificate
from tests.support.certificate_chains import encode, encode_integer, replace

START = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
END = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


def certify(key, *attributes):
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(START).not_valid_after(END)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_certificate_is_taken_apart(key):
    der = certify(key, (x509.NameOID.COMMON_NAME, "Jané"), (x509.NameOID.ORGANIZATION_NAME, "a, b"))
    given = parse_client_certificate(der)
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert (given.fingerprint, given.public_key_fingerprint) == (sha256(der), sha256(spki))
    assert (given.common_name, given.subject, given.serial_number) == ("Jané", "O=a\\, b,CN=Jané", 7)
    assert (given.not_before, given.not_after, given.fault) == (START, END, "")


def test_a_certificate_may_lack_a_name(key):
    given = parse_client_certificate(certify(key))
    assert (given.common_name, given.subject, given.fault) == ("", "", "")


@pytest.mark.parametrize(("bits", "is_fit"), [(160, True), (1024, True), (1025, False), (20_000, False)])
def test_a_serial_number_can_be_written_down(key, bits, is_fit):
    """A script is told it in decimal."""
    der = replace(certify(key), encode_integer(7), encode_integer(1 << (bits - 1)))
    given = parse_client_certificate(der)
    assert (given.fault == "") is is_fit
    assert given.serial_number == ((1 << (bits - 1)) if is_fit else 0)
    assert str(given.serial_number)


@pytest.mark.parametrize(("number", "is_fit"), [(50, True), (60, False), (1000, False)])
def test_a_name_has_no_end_of_attributes(key, number, is_fit):
    given = parse_client_certificate(certify(key, *[(x509.NameOID.COMMON_NAME, "Jane")] * number))  # its issuer's too
    assert (given.fault == "") is is_fit
    assert given.common_name == ("Jane" if is_fit else "")


@pytest.mark.parametrize(("number", "is_fit"), [(50, True), (70, False)])
def test_the_shortest_attributes_are_counted_too(key, number, is_fit):
    """Without a text, and by the shortest OID."""
    shortest = encode(0x31, encode(0x30, encode(6, b"\x55") + encode(0x0C, b"")))
    der = replace(certify(key), encode(0x30, b""), encode(0x30, shortest * number))  # its issuer's too
    assert (parse_client_certificate(der).fault == "") is is_fit


def test_what_is_remembered_is_of_no_other_certificate(key):
    """A byte makes another one of it, and each is taken apart once."""
    parse_client_certificate.cache_clear()
    # Each has a signature of its own.
    ders = [certify(key, (x509.NameOID.COMMON_NAME, name)) for name in ("Jane", "Jade", "Jane")]
    for _ in range(2):
        assert [parse_client_certificate(bytes(bytearray(der))).der for der in ders] == ders
        assert [parse_client_certificate(der).fingerprint for der in ders] == [sha256(der) for der in ders]
    assert parse_client_certificate.cache_info().misses == 3


def test_what_is_remembered_has_an_end():
    for number in range(600):
        parse_client_certificate(b"nonsense %d" % number)
    assert parse_client_certificate.cache_info().currsize <= 256


@given(st.binary(max_size=60))
def test_nonsense_becomes_a_fault(octets):
    given = parse_client_certificate(octets)
    assert given.fault
    assert given.fingerprint == sha256(octets)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_certificate_with_any_octet_changed_raises_nothing(key):
    der = certify(key, (x509.NameOID.COMMON_NAME, "Jane"))
    for i in range(len(der)):
        changed = der[:i] + bytes([der[i] ^ 0xFF]) + der[i + 1 :]
        assert parse_client_certificate(changed).fingerprint == sha256(changed)
