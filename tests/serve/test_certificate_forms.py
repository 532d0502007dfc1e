"""Certificates that clients have pinned with another server: DER as Agate has it, and Ed25519 keys."""

import hashlib
import ssl
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gemd.system.certificates import make_self_signed

from .conftest import AS_ROOT, wait_for
from .succession import HOST

PAIR = 'certificate = "{tmp}/cert.der"\nkey = "{tmp}/key.der"\n'
WARNING = "key.der is an Ed25519 key: some clients can't do that"


@pytest.fixture
def keep(tmp_path):
    """Write a certificate and its key as another server had them; the SHA-256 of the certificate."""

    def keep_it(key, form=serialization.Encoding.DER) -> str:
        certificate = make_self_signed(key, ("localhost",))
        secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for name, content in (("cert.der", certificate.public_bytes(form)), ("key.der", secret)):
            (tmp_path / name).write_bytes(content)
            (tmp_path / name).chmod(0o600)
        return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()

    return keep_it


def shown(daemon, **options) -> str:
    with daemon.tls(**options) as tls:
        return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()


def check(tmp_path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "gemd", "-t", "-c", tmp_path / "gemd.conf", *AS_ROOT]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_pair_in_der_is_served_and_another_at_a_reload(configure, keep, tmp_path):
    old = keep(ec.generate_private_key(ec.SECP256R1()))
    daemon = configure(HOST + PAIR)
    assert shown(daemon) == old
    assert daemon.ask("/").text == "# A capsule\n"
    tested = check(tmp_path)
    assert (tested.returncode, "Ed25519" in tested.stderr) == (0, False), tested.stderr
    assert "is in order" in tested.stderr
    for form in (serialization.Encoding.PEM, serialization.Encoding.DER):  # under the same names
        new = keep(ec.generate_private_key(ec.SECP256R1()), form)
        daemon.reload()
        wait_for(lambda new=new: shown(daemon) == new, "the new certificate")
    (tmp_path / "key.der").write_bytes(b"\x30\x82")
    daemon.expect("not reloaded: ")
    daemon.reload("not reloaded: ")
    said = f"{tmp_path}/key.der has no private key in PEM or DER form"
    assert said in daemon.errors
    tested = check(tmp_path)
    assert (tested.returncode, tested.stderr) == (3, f"gemd: {tmp_path}/gemd.conf:8: localhost: certificate: {said}\n")
    assert shown(daemon) == new


def test_what_was_taken_over_is_what_clients_go_on_seeing(configure, keep, tmp_path):
    old = keep(ec.generate_private_key(ec.SECP256R1()))
    daemon = configure(HOST)
    made = shown(daemon)
    command = [
        sys.executable,
        "-m",
        "gemd.gemctl",
        "cert",
        "import",
        tmp_path / "cert.der",
        "-c",
        tmp_path / "gemd.conf",
    ]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (refused.returncode, "is there already, by which clients may know localhost" in refused.stderr) == (1, True)
    done = subprocess.run([*command, "--replace"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert f"imported {tmp_path}/cert.der with its key for localhost, as {tmp_path}/certificates/" in done.stdout
    assert shown(daemon) == made
    daemon.reload()
    wait_for(lambda: shown(daemon) == old, "the certificate that was taken over")


def test_an_ed25519_key_is_served_with_a_warning(configure, keep, tmp_path):
    old = keep(ed25519.Ed25519PrivateKey.generate())
    daemon = configure(HOST + PAIR)
    daemon.expect(WARNING)
    assert daemon.errors.count(WARNING) == 1
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert shown(daemon, minimum_version=version, maximum_version=version) == old
    assert daemon.ask("/").text == "# A capsule\n"
    tested = check(tmp_path)
    assert tested.returncode == 0
    place = f"{tmp_path}/gemd.conf:8: localhost: certificate"
    assert f"gemd: warning: {place}: {tmp_path}/{WARNING}" in tested.stderr
    new = keep(ed25519.Ed25519PrivateKey.generate())
    daemon.reload()
    wait_for(lambda: shown(daemon) == new, "the new certificate")
    assert daemon.errors.count(WARNING) == 2
