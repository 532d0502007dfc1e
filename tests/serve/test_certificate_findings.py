"""What `gemd -t`, a start and a reload say of certificates that are wrong, or worth a look."""

import datetime
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from gemd.system.certificates import make_self_signed

from .conftest import AS_ROOT
from .succession import HOST

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
DAY = datetime.timedelta(days=1)
ONE = '[[host]]\nname = "localhost"\nroot = "{tmp}"\n'
PAIR = 'certificate = "{tmp}/c"\nkey = "{tmp}/k"\n'


def certify(subject="localhost", issuer="localhost", key=KEY, days=400, san=True):
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (issuer, subject)]
    builder = x509.CertificateBuilder(*names, key.public_key(), 1, now - 99 * DAY, now + days * DAY)
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(key=KEY, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


ARCHIVE = pkcs12.serialize_key_and_certificates(
    b"h", KEY, make_self_signed(KEY, ("localhost",)), None, serialization.NoEncryption()
)
CURVE = ec.generate_private_key(ec.SECP256K1())
REFUSED = {
    "another key": (
        certify(),
        pem(OTHER),
        "{tmp}/k is not the key of {tmp}/c, whose first certificate has to be the server's own",
    ),
    "an issuer first": (
        certify("CA", "CA", OTHER) + certify(issuer="CA"),
        pem(),
        "{tmp}/k is the key of number 2 of the certificates in {tmp}/c, whose first certificate has to be the server's "
        "own: put that first, its issuers behind it",
    ),
    "a passphrase": (
        certify(),
        pem(password=b"x"),
        "{tmp}/k is encrypted, and a server has nobody to ask for a password: `openssl pkey -in {tmp}/k -out NEW` "
        "decrypts it",
    ),
    "PKCS #12": (
        ARCHIVE,
        ARCHIVE,
        "{tmp}/c is in PKCS #12 form: `openssl pkcs12 -in {tmp}/c -nodes -out both.pem` makes a PEM file of it, which "
        "can be both certificate and key",
    ),
    "the wrong way round": (
        pem(),
        certify(),
        "{tmp}/c has no certificate in PEM or DER form, but a private key: name the file with the certificate",
    ),
    "a curve": (
        certify(key=CURVE),
        pem(CURVE),
        "{tmp}/k is a key on the curve secp256k1, with which no handshake succeeds, for TLS 1.3 has no signature by it "
        "and no client offers it for TLS 1.2: take P-256, as gemd makes it, or P-384",
    ),
}
WORTH_A_LOOK = {
    "expired": (certify(days=-1), "{tmp}/c expired on "),
    "another name": (
        certify("example.org"),
        "{tmp}/c does not name localhost, which clients mind that check names: have it issued anew",
    ),
    "the subject alone": (
        certify(san=False),
        "{tmp}/c has its name in the subject alone, where many clients don't look (no SAN): make another for its key",
    ),
}


@pytest.fixture
def check(tmp_path):
    """Run gemd -t with a certificate and its key, as files; its exit code, and what it said."""

    def check(certificate, key):
        for name, content in (("c", certificate), ("k", key)):
            (tmp_path / name).write_bytes(content)
            (tmp_path / name).chmod(0o600)
        (tmp_path / "gemd.conf").write_text(fill(ONE + PAIR, tmp_path))
        command = [sys.executable, "-m", "gemd", "-t", "-c", tmp_path / "gemd.conf", *AS_ROOT]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stderr

    return check


def fill(text, tmp_path):
    return text.replace("{tmp}", str(tmp_path))


@pytest.mark.parametrize(("certificate", "key", "message"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_served_is_refused(check, tmp_path, certificate, key, message):
    code, said = check(certificate, key)
    assert (code, fill(message, tmp_path) in said, len(said.splitlines())) == (3, True, 1), said


@pytest.mark.parametrize(("certificate", "message"), WORTH_A_LOOK.values(), ids=WORTH_A_LOOK)
def test_what_can_be_is_warned_of(check, tmp_path, certificate, message):
    code, said = check(certificate, pem())
    assert (code, fill(message, tmp_path) in said) == (0, True), said
    assert said.count("warning: ") == 1


def test_a_start_and_a_reload_say_the_same(configure, tmp_path):
    for name, content in (("c", certify("example.org", "example.org")), ("k", pem())):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    daemon = configure(HOST + PAIR)
    warning = f"{tmp_path}/c does not name localhost, which clients mind that check names: make another for its key"
    daemon.expect(warning)
    assert daemon.errors.count(warning) == 1
    daemon.reload()
    assert daemon.errors.count(warning) == 2
    (tmp_path / "k").write_bytes(pem(CURVE))
    daemon.expect("not reloaded: ")
    daemon.reload("not reloaded: ")
    assert f"{tmp_path}/k is a key on the curve secp256k1, with which no handshake succeeds" in daemon.errors
    assert daemon.ask("/").status == 20
