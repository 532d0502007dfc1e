"""Who may see what: 60, 61 and 62, by location."""

import random
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.waiting import wait_for

from .certificates import DAY, NOW, fingerprint, make_certificate, public_key_fingerprint
from .sharing import shared_daemon

CONFIG = """
[tls]
ca-file = "{tmp}/ca.pem"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
  [[host.location]]
  path = "/any/"
  client-certificate = "any"
  [[host.location]]
  path = "/ada/"
  client-certificate = ["SHA256:%s"]
  [[host.location]]
  path = "/key/"
  client-certificate = ["SPKI-SHA256:%s"]
  [[host.location]]
  path = "/ca/"
  client-certificate = { ca = "{tmp}/ca.pem" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the one daemon of this module has, and its clients' certificates by name."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def people(folder):
    """Make the certificates; Ada's."""
    ada, key = make_certificate(folder / "ada.pem")
    make_certificate(folder / "ada-renewed.pem", key=key, end=NOW + 9 * DAY)
    make_certificate(folder / "bob.pem", "Bob")
    make_certificate(folder / "late.pem", end=NOW - DAY / 2)
    make_certificate(folder / "early.pem", start=NOW + DAY / 2)
    authority = make_certificate(folder / "authority.pem", "Authority")
    (folder / "ca.pem").write_bytes(authority[0].public_bytes(Encoding.PEM))
    make_certificate(folder / "member.pem", "Member", issuer=authority)
    make_certificate(folder / "server.pem", "Server", issuer=authority, usages=[ExtendedKeyUsageOID.SERVER_AUTH])
    make_chain(folder / "deep.pem", authority, 7)
    make_chain(folder / "deeper.pem", authority, 8)
    pem = (folder / "ca.pem").read_bytes()
    for person in ("bob", "member"):
        (folder / f"{person}+ca.pem").write_bytes((folder / f"{person}.pem").read_bytes() + pem)
    return ada


def make_chain(path, authority, between):
    """A member's certificate with so many authorities above it, whose keys are dear."""
    issuer, sent = authority, b""
    for number in range(between):
        key = ec.generate_private_key(ec.SECP384R1())
        issuer = make_certificate(path, f"Between {number}", key=key, issuer=issuer, ca=True)
        sent = issuer[0].public_bytes(Encoding.PEM) + sent
    make_certificate(path, "Deep", issuer=issuer)
    path.write_bytes(path.read_bytes() + sent)


SCRIPTS = {
    "env": "env | grep -E '^(AUTH|REMOTE_USER|TLS_CLIENT)' | sort\n",
    "hostile": "env | grep -c -E '^(X|20|evil)'\nenv | grep REMOTE_USER\n",
}


@pytest.fixture(scope="module")
def daemon(folder, people):
    root = folder / "capsule"
    for name in ("any", "ada", "key", "ca"):
        (root / name).mkdir(parents=True)
        (root / name / "index.gmi").write_text("# Welcome\n")
    (root / "cgi-bin").mkdir()
    for name, text in SCRIPTS.items():
        (root / "cgi-bin" / name).write_text("#!/bin/sh\necho 20 text/plain\n" + text)
        (root / "cgi-bin" / name).chmod(0o755)
    with shared_daemon(folder, CONFIG % (fingerprint(people).upper(), public_key_fingerprint(people))) as daemon:
        yield daemon


ACCESS = [
    (None, "/any/", 60),
    ("ada", "/any/", 20),
    ("bob", "/any/", 20),
    ("late", "/any/", 62),
    ("early", "/any/", 62),
    (None, "/ada/", 60),
    ("ada", "/ada/", 20),
    ("ada-renewed", "/ada/", 61),
    ("bob", "/ada/", 61),
    ("late", "/ada/", 62),
    ("ada", "/key/", 20),
    ("ada-renewed", "/key/", 20),
    ("bob", "/key/", 61),
    ("member", "/ca/", 20),
    ("member+ca", "/ca/", 20),
    ("bob", "/ca/", 61),
    ("bob+ca", "/ca/", 61),
    ("server", "/ca/", 62),
    ("server", "/any/", 20),
    ("deep", "/ca/", 20),
    ("deep", "/ca/none", 51),
    ("deeper", "/ca/", 62),
    ("deeper", "/any/", 20),
    (None, "/ca/", 60),
    ("late", "/", 20),
]


def test_who_may_see_what(daemon, folder):
    for person, path, status in ACCESS:
        answer = daemon.ask(path, cert=person and folder / f"{person}.pem")
        assert (answer.status, answer.complete) == (status, True), (person, path)


STEPS_AROUND = ["/%61da/", "//ada/", "/./ada/", "/x/../ada/", "/ada", "/ada//index.gmi", "/ada/none", "/ada/../ada/",
                "/%61%64%61/none", "/ada/./x"]  # fmt: skip


def test_no_spelling_steps_around_a_rule_or_tells_what_exists(daemon):
    assert [daemon.ask(path).header for path in STEPS_AROUND] == ["60 A client certificate is required"] * len(
        STEPS_AROUND
    )
    for path in ("/ada%2f", "/any/%2e%2e/ada/", "/ADA/", "/any%2f..%2fada/"):
        assert daemon.ask(path).status in (51, 59, 60), path


def test_tls_1_2_too(daemon, folder):
    version = ssl.TLSVersion.TLSv1_2
    assert daemon.ask("/ada/", cert=folder / "ada.pem", maximum_version=version).status == 20
    assert daemon.ask("/ada/", maximum_version=version).status == 60


def test_what_a_script_is_told(daemon, people, folder):
    told = dict(line.split("=", 1) for line in daemon.ask("/cgi-bin/env", cert=folder / "ada.pem").text.splitlines())
    assert told.pop("TLS_CLIENT_HASH_B64").endswith("=")
    assert told.pop("TLS_CLIENT_NOT_BEFORE") == f"{people.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert told.pop("TLS_CLIENT_NOT_AFTER") == f"{people.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert told == {
        "AUTH_TYPE": "CERTIFICATE",
        "REMOTE_USER": "Ada",
        "TLS_CLIENT_AUTHORISED": "0",
        "TLS_CLIENT_HASH": "SHA256:" + fingerprint(people).upper(),
        "TLS_CLIENT_ISSUER": "CN=Ada",
        "TLS_CLIENT_ISSUER_CN": "Ada",
        "TLS_CLIENT_SERIAL_NUMBER": "4711",
        "TLS_CLIENT_SUBJECT": "CN=Ada",
        "TLS_CLIENT_SUBJECT_CN": "Ada",
        "TLS_CLIENT_VALID": "true",
    }
    before = len(daemon.access)
    member = daemon.ask("/cgi-bin/env", cert=folder / "member.pem").text
    assert "TLS_CLIENT_AUTHORISED=1" in member
    assert "TLS_CLIENT_AUTHORISED=1" in daemon.ask("/cgi-bin/env", cert=folder / "deep.pem").text
    for person in ("bob+ca", "server", "deeper"):
        assert "TLS_CLIENT_AUTHORISED=0" in daemon.ask("/cgi-bin/env", cert=folder / f"{person}.pem").text
    wait_for(lambda: " - Member [" in "".join(daemon.access[before:]), "the name in the log")


@pytest.mark.parametrize("name", ["a\nX=y", "a\r\n20 text/plain", "tab\there", "nul\0", "\u202eevil", "ü" * 30])
def test_a_hostile_common_name_breaks_nothing(daemon, tmp_path, name):
    make_certificate(tmp_path / "evil.pem", name)
    before = daemon.access
    answer = daemon.ask("/cgi-bin/hostile", cert=tmp_path / "evil.pem")
    assert answer.text.startswith("0\nREMOTE_USER=")
    (line,) = wait_for(lambda: [line for line in daemon.access[len(before) :] if "/hostile" in line], "its line")
    assert line.isprintable()


def handshake_and_ask(daemon, path, **options):
    """62 or a closed connection are both right for a certificate that can't be used."""
    try:
        return daemon.ask(path, **options).raw[:2] or b"closed"
    except (ssl.SSLError, ConnectionError):
        return b"closed"


def test_an_explicit_curve_and_an_odd_key_end_no_worker(daemon, tmp_path):
    workers = daemon.workers
    make_certificate(tmp_path / "p521.pem", key=ec.generate_private_key(ec.SECP521R1()))
    assert handshake_and_ask(daemon, "/any/", cert=tmp_path / "p521.pem") == b"20"
    assert daemon.workers == workers


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_mutated_certificates_end_no_worker(daemon, tmp_path, count):
    tlslite = pytest.importorskip("tlslite.api")
    workers = daemon.workers
    key = tlslite.parsePEMKey((tmp_path / "rsa.key").read_text(), private=True) if make_rsa(tmp_path) else None
    der = x509.load_pem_x509_certificate((tmp_path / "rsa.crt").read_bytes()).public_bytes(Encoding.DER)
    good = tlslite.X509()
    good.parse((tmp_path / "rsa.crt").read_text())
    chance = random.Random(500)
    for number in range(count):
        mutated = bytearray(der)
        for _ in range(chance.randint(1, 4)):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        if number % 7 == 0:
            del mutated[chance.randrange(len(mutated)) :]
        present(tlslite, daemon, [bytes(mutated)], key, good)
    present(tlslite, daemon, [der] * 120, key, good)  # a chain of 100 KB
    present(tlslite, daemon, [der * 100], key, good)
    assert daemon.workers == workers


def make_rsa(tmp_path):
    """tlslite signs with RSA."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    certificate, _ = make_certificate(tmp_path / "rsa.pem", key=key)
    (tmp_path / "rsa.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    (tmp_path / "rsa.key").write_bytes(pem)
    return True


class Der:
    """A certificate that tlslite sends without looking at it."""

    def __init__(self, octets, good):
        self.bytes = bytearray(octets)
        self.publicKey = good.publicKey
        self.certAlg = good.certAlg
        self.sigalg = good.sigalg

    def writeBytes(self):  # noqa: N802, tlslite's name
        return self.bytes


def present(tlslite, daemon, chain, key, good):
    sock = daemon.connect()
    connection = tlslite.TLSConnection(sock)
    try:
        certificates = tlslite.X509CertChain([Der(octets, good) for octets in chain])
        connection.handshakeClientCert(certificates, key, serverName="localhost")
        connection.write(daemon.url("/any/").encode() + b"\r\n")
        assert connection.read(2) in (b"20", b"62", b"60", b"")
    except (tlslite.TLSError, OSError, ValueError, SyntaxError):
        pass
    finally:
        sock.close()
