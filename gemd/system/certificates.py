"""Server certificates: made once and kept, or loaded from files.

Rules: a certificate that exists is never replaced, for clients pin it at first use (TOFU); a key is written to a file
that only its owner may read, complete or not at all; every complaint names the file.
"""

import contextlib
import datetime
import os
import stat
from ipaddress import ip_address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from gemd.protocol.fingerprint import sha256
from gemd.system.attempt import attempt
from gemd.system.whole_files import replace_whole, write_once

Certificates = tuple[x509.Certificate, ...]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_LIFETIME = datetime.timedelta(days=36525)  # a century: renewal alarms clients that pinned the certificate
_BACKDATED = datetime.timedelta(days=1)  # for clients whose clock is behind
_EXPIRES_SOON = datetime.timedelta(days=30)
_MAX_COMMON_NAME = 64  # X.520, ub-common-name
_PEM = b"-----BEGIN "
_FAULTS = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)


class CertificateError(Exception):
    """A certificate or key can't be used; the text names the file and what to change."""


class ServerCertificate(msgspec.Struct, frozen=True):
    """A certificate with its chain (leaf first) and private key. `warnings` are for the operator's eyes."""

    chain: Certificates
    key: PrivateKey
    path: Path
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf's DER, in lower-case hexadecimal."""
        return sha256(self.chain[0].public_bytes(serialization.Encoding.DER))


def find_or_make(directory: Path, names: tuple[str, ...], owner: tuple[int, int] | None = None) -> ServerCertificate:
    """The self-signed certificate of the host `names[0]`, made in `directory` when there is none yet.

    All names go into the SAN; what is made belongs to `owner` (uid, gid), if given, who can then read it again. Raises
    CertificateError; a certificate without its key is such an error.
    """
    certificate_path, key_path = certificate_paths(directory, names[0])
    try:
        with attempt(f"the certificate {certificate_path} could not be found or made"):
            if not certificate_path.exists():
                make_private_directory(directory, owner)
                if not key_path.exists():
                    _make_key(key_path, owner)
                key = _load_key(key_path)  # which another process may have made meanwhile
                pem = make_self_signed(key, names).public_bytes(serialization.Encoding.PEM)
                write_once(certificate_path, pem, 0o644, owner)
    except OSError as error:
        raise CertificateError(f"can't make a certificate in {directory}: {error.strerror}: {error.filename}") from None
    certificate = load(certificate_path, key_path)
    absent = set(names) - set(read_names(certificate.chain[0]))
    if not absent:
        return certificate
    text = f"{certificate_path} does not name {', '.join(sorted(absent))}; remove it to have one made that does"
    return msgspec.structs.replace(certificate, warnings=(*certificate.warnings, text))


def read_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and addresses that a certificate is for (SAN)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def load(certificate_path: Path, key_path: Path, *, is_server: bool = True) -> ServerCertificate:
    """Load a certificate, with its chain where it is in PEM, and its key, each in PEM or DER, whatever the files are
    called. It is a client's unless it `is_server`. Raises CertificateError."""
    chain = _load_chain(certificate_path)
    key = _load_key(key_path)
    if key.public_key() != chain[0].public_key():
        raise CertificateError(
            f"{key_path} is not the key of {certificate_path}, whose first certificate has to be the server's own"
        )
    warnings = _warnings(chain[0], certificate_path, key_path)
    if is_server and isinstance(key, ed25519.Ed25519PrivateKey):
        warnings.append(
            f"{key_path} is an Ed25519 key: some clients can't do that and don't get in; those that have pinned it "
            "would ask their users about another one"
        )
    return ServerCertificate(chain, key, certificate_path, tuple(warnings))


def make_self_signed(key: PrivateKey, names: tuple[str, ...]) -> x509.Certificate:
    """A certificate for host names or IP addresses, valid for a century, with a random serial number (RFC 5280)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_MAX_COMMON_NAME])])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )


def _alternative_names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    """DNS names and IP addresses; localhost brings its addresses along."""
    every = (*names, "127.0.0.1", "::1") if "localhost" in names else names
    alternatives: list[x509.GeneralName] = []
    for name in dict.fromkeys(every):
        try:
            alternatives.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    return alternatives


def make_private_directory(directory: Path, owner: tuple[int, int] | None) -> None:
    """A directory for keys, unless it is there. Raises OSError."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if owner is not None:
            os.chown(directory, *owner)


def _make_key(path: Path, owner: tuple[int, int] | None) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_once(path, pem, 0o600, owner)


def is_pem(content: bytes) -> bool:
    """Whether a file that should hold a certificate or key is in PEM, and not in DER."""
    return _PEM in content


def _load_chain(path: Path) -> Certificates:
    content = _read(path)
    try:
        if is_pem(content):
            return tuple(x509.load_pem_x509_certificates(content))
        return (x509.load_der_x509_certificate(content),)
    except _FAULTS as error:
        raise CertificateError(f"{path} has no certificate in {_name_form(content, error)}") from None


def _load_key(path: Path) -> PrivateKey:
    content = _read(path)
    load_key = serialization.load_pem_private_key if is_pem(content) else serialization.load_der_private_key
    try:
        key = load_key(content, password=None)
    except TypeError:
        raise CertificateError(
            f"{path} is encrypted; a server has nobody to ask for a password: decrypt it with `openssl pkey`"
        ) from None
    except _FAULTS as error:
        raise CertificateError(f"{path} has no private key in {_name_form(content, error)}") from None
    if not isinstance(key, PrivateKey):
        raise CertificateError(
            f"{path} is neither an ECDSA nor an RSA nor an Ed25519 key; Gemini clients know no other"
        )
    return key


def _name_form(content: bytes, error: Exception) -> str:
    """What was expected of a file; of one that isn't PEM, what DER lacks says nothing to people."""
    return f"PEM form: {error}" if is_pem(content) else "PEM or DER form"


def _read(path: Path) -> bytes:
    try:
        with attempt(f"{path} could not be read"):
            return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} can't be read: {error.strerror}") from None


def _warnings(leaf: x509.Certificate, certificate_path: Path, key_path: Path) -> list[str]:
    """What an operator should mend, though the server can run with it."""
    warnings = []
    now = datetime.datetime.now(datetime.UTC)
    end = leaf.not_valid_after_utc
    if now >= end:
        warnings.append(f"{certificate_path} expired on {end:%Y-%m-%d}")
    elif now + _EXPIRES_SOON >= end:
        warnings.append(f"{certificate_path} expires on {end:%Y-%m-%d}")
    if now < leaf.not_valid_before_utc:
        warnings.append(f"{certificate_path} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}")
    if stat.S_IMODE(key_path.stat().st_mode) & 0o007:
        warnings.append(f"{key_path} can be read or changed by everyone: chmod 600 {key_path}")
    return warnings


def certificate_paths(directory: Path, name: str) -> tuple[Path, Path]:
    """Where `find_or_make` keeps certificate and key of the host `name`."""
    stem = name.replace("*", "+").replace(":", "_")
    return directory / f"{stem}.crt", directory / f"{stem}.key"


def renew_self_signed(directory: Path, names: tuple[str, ...]) -> ServerCertificate:
    """A new certificate for the same key in the place of that of the host `names[0]`, at the operator's demand.

    Every moment finds the old one or the new one; afterwards the old one is beside it as NAME.crt.old. Owner and mode
    stay. Raises CertificateError, and then nothing has changed.
    """
    certificate_path, key_path = certificate_paths(directory, names[0])
    before = load(certificate_path, key_path)
    if before.chain[0].issuer != before.chain[0].subject:
        raise CertificateError(f"{certificate_path} is not self-signed: renew it where it was issued")
    try:
        replace_whole(certificate_path, make_self_signed(before.key, names).public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise CertificateError(f"can't replace {certificate_path}: {error.strerror}: {error.filename}") from None
    return load(certificate_path, key_path)
