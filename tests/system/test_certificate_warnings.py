"""What is worth a look in a certificate that can be served."""

import datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from gemd.system.certificate_warnings import Pair, find_warnings
from gemd.system.certificates import find_or_make

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
ANOTHER = "make another for its key"
RENEW = "`gemctl cert renew h` makes another for its key"
USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    *extensions, subject="h", issuer="h", start=NOW - DAY, end=NOW + 400 * DAY, san=("h",), key=KEY
) -> x509.Certificate:
    builder = x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), 1, start, end)
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName([make_name(each) for each in san]), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def make_name(text):
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@pytest.fixture
def find(tmp_path):
    """The warnings of a chain and its key, with paths as /c and /k."""

    def find(*chain, key=KEY, mode=0o600, **options):
        path = tmp_path / "k"
        path.touch()
        path.chmod(mode)
        pair = Pair(chain, key, Path("/c"), path, **options)
        return [text.replace(str(tmp_path), "") for text in find_warnings(pair)]

    return find


def issuers(location):
    access = x509.AccessDescription(location, x509.UniformResourceIdentifier("http://ca.example/"))
    return x509.AuthorityInformationAccess([access])


FROM_CA = issuers(AuthorityInformationAccessOID.CA_ISSUERS)
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
IN_ORDER = {
    "self-signed": ((certify(),), {}),
    "a wildcard": ((certify(san=("*.h",)),), {"names": ("a.h", "*.h")}),
    "in capitals": ((certify(san=("H",)),), {"names": ("h",)}),
    "an address": ((certify(san=("::1", "192.0.2.1")),), {"names": ("::1", "192.0.2.1")}),
    "short-lived": ((certify(issuer="CA", start=NOW - DAY, end=NOW + 5 * DAY),), {}),
    "for servers": ((certify(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),), {}),
    "for everything": ((certify(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),), {}),
    "for signatures": ((certify(x509.KeyUsage(**(USAGE | {"digital_signature": True}))),), {}),
    "a client's": ((certify(CLIENTS, san=()),), {"is_server": False}),
    "a chain": ((certify(FROM_CA, issuer="1"), certify(subject="1", issuer="2"), certify(subject="2")), {}),
    "a root's own": ((certify(issuer="root"),), {}),
    "issued, with nothing to be found by": ((certify(issuers(AuthorityInformationAccessOID.OCSP), issuer="1"),), {}),
}
WORTH_A_LOOK = {
    "expired": (certify(end=NOW - DAY / 2), {}, f"/c expired on {NOW - DAY / 2:%Y-%m-%d}: {ANOTHER}"),
    "expired, kept": (
        certify(end=NOW - DAY / 2),
        {"names": ("h",), "is_kept": True},
        f"/c expired on {NOW - DAY / 2:%Y-%m-%d}: {RENEW}",
    ),
    "expires soon": (
        certify(issuer="CA", start=NOW - 300 * DAY, end=NOW + 29 * DAY),
        {},
        f"/c expires on {NOW + 29 * DAY:%Y-%m-%d}: have it issued anew",
    ),
    "a quarter is left": (
        certify(issuer="CA", start=NOW - 75 * DAY, end=NOW + 15 * DAY),
        {},
        f"/c expires on {NOW + 15 * DAY:%Y-%m-%d}: have it issued anew",
    ),
    "a client's expires": (
        certify(end=NOW - DAY / 2),
        {"is_server": False},
        f"/c expired on {NOW - DAY / 2:%Y-%m-%d}: have another one made, for its key",
    ),
    "not yet": (
        certify(start=NOW + DAY),
        {},
        f"/c is not valid before {NOW + DAY:%Y-%m-%d}: clients refuse it, or the clock here is wrong",
    ),
    "lacks names": (
        certify(san=("*.h", "h")),
        {"names": ("h", "a.b.h", "::1")},
        f"/c does not name a.b.h, ::1, which clients mind that check names: {ANOTHER}",
    ),
    "issued for others": (
        certify(issuer="CA"),
        {"names": ("h", "g")},
        "/c does not name g, which clients mind that check names: have it issued anew",
    ),
    "the subject counts where there is no SAN": (
        certify(san=()),
        {"names": ("h",), "is_kept": True},
        f"/c has its name in the subject alone, where many clients don't look (no SAN): {RENEW}",
    ),
    "an address in the subject": (
        certify(san=(), subject="0:0::1", issuer="0:0::1"),
        {"names": ("::1",)},
        f"/c has its name in the subject alone, where many clients don't look (no SAN): {ANOTHER}",
    ),
    "and there alone": (
        certify(san=("g",)),
        {"names": ("h",)},
        f"/c does not name h, which clients mind that check names: {ANOTHER}",
    ),
    "for clients": (
        certify(CLIENTS),
        {},
        f"/c is not for servers (extended key usage without serverAuth), which some clients mind: {ANOTHER}",
    ),
    "for agreement": (
        certify(x509.KeyUsage(**(USAGE | {"key_agreement": True}))),
        {},
        f"/c is not for signatures (key usage), so that clients with TLS 1.2 don't get in: {ANOTHER}",
    ),
    "others' eyes": (certify(), {"mode": 0o644}, "/k can be read or changed by everyone: chmod 600 /k"),
    "several keys": (
        certify(),
        {"keys": 2},
        "/k has 2 private keys, of which the first is used: leave that alone in it",
    ),
    "without its issuer": (
        certify(FROM_CA, issuer="CA"),
        {},
        "/c lacks the certificates of its issuers, and clients that ask authorities may refuse it: put them behind it "
        "(of Let's Encrypt, take fullchain.pem)",
    ),
}


@pytest.mark.parametrize(("chain", "options"), IN_ORDER.values(), ids=IN_ORDER)
def test_what_is_in_order_is_not_worth_a_word(find, chain, options):
    assert find(*chain, **options) == []


@pytest.mark.parametrize(("certificate", "options", "warning"), WORTH_A_LOOK.values(), ids=WORTH_A_LOOK)
def test_each_says_which_file_who_minds_and_what_to_do(find, certificate, options, warning):
    assert find(certificate, **options) == [warning]


def test_a_chain_in_a_wrong_order(find):
    leaf, middle, root = certify(issuer="1"), certify(subject="1", issuer="2"), certify(subject="2", issuer="2")
    for chain, number in (((leaf, root, middle), 1), ((leaf, middle, certify()), 2)):
        text = f"the order of the chain in /c is wrong: number {number + 1} is not the issuer of number {number}; "
        text += "clients that ask authorities may refuse it: put each issuer behind what it issued"
        assert find(*chain) == [text]
    assert find(certify(), middle, root) == [
        "/c has 2 more behind a self-signed certificate, which no client needs: remove them"
    ]


REST = "some clients can't do that and don't get in, and those that have pinned it would ask about another one"
KEYS = {
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, f"/k is an Ed25519 key: {REST}"),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), f"/k is a key on the curve P-521: {REST}"),
}


@pytest.mark.parametrize(("make", "warning"), KEYS.values(), ids=KEYS)
def test_keys_that_some_clients_do_not_know(find, make, warning):
    key = make()
    assert find(certify(key=key), key=key) == [warning]
    assert find(certify(key=key), key=key, is_server=False) == []


def test_a_short_key_is_told_where_openssl_lets_it_pass(find):
    key = rsa.generate_private_key(65537, 1024)
    assert find(certify(key=key), key=key) == ["/k is an RSA key of 1024 bits: clients refuse what has less than 2048"]


def der(tag, *parts):
    body = b"".join(parts)
    octets = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    size = octets if len(body) < 128 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + size + body


def make_version_1():
    """Which no library makes any more: without the field that says 3."""
    content = open_body(certify(san=()))
    assert content.startswith(b"\xa0\x03\x02\x01\x02")
    return sign(content[5:])


def open_body(certificate):
    body = certificate.tbs_certificate_bytes
    return body[2 + (body[1] & 0x7F if body[1] >= 0x80 else 0) :]


def sign(content):
    signed = der(0x30, content)
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ECDSA with SHA-256
    signature = der(0x03, b"\0", KEY.sign(signed, ec.ECDSA(hashes.SHA256())))
    return x509.load_der_x509_certificate(der(0x30, signed, algorithm, signature))


def test_version_1(find):
    certificate = make_version_1()
    assert certificate.version is x509.Version.v1
    assert find(certificate, names=("h",)) == [
        f"/c is of X.509 version 1, which clients written in Rust refuse: {ANOTHER}, of version 3",
        f"/c has its name in the subject alone, where many clients don't look (no SAN): {ANOTHER}",
    ]


P = 2**256 - 2**224 + 2**192 + 2**96 - 1  # P-256, as SEC 2 has it (2.4.2)
B = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"
BASE = (
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
ORDER = "00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"


def test_a_curve_in_numbers(find):
    numbers = der(
        0x30,
        bytes.fromhex("020101"),
        der(0x30, bytes.fromhex("06072a8648ce3d0101"), der(0x02, P.to_bytes(33, "big"))),
        der(0x30, der(0x04, (P - 3).to_bytes(32, "big")), der(0x04, bytes.fromhex(B))),
        der(0x04, bytes.fromhex(BASE)),
        der(0x02, bytes.fromhex(ORDER)),
        bytes.fromhex("020101"),
    )
    named = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = der(0x30, der(0x30, bytes.fromhex("06072a8648ce3d0201"), numbers), der(0x03, b"\0", point))
    content = open_body(certify())
    assert named in content
    assert find(sign(content.replace(named, key))) == [
        f"/c has its curve in numbers, and not by name (RFC 5480, 2.1.1), which clients written in Go refuse: {ANOTHER}"
    ]


def test_what_gemd_makes_is_in_order(tmp_path):
    assert find_or_make(tmp_path, ("localhost", "*.example.org", "::1")).warnings == ()
