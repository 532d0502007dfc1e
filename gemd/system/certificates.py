"""Server certificates: made once and kept, or loaded from files.

Rules: a certificate that exists is never replaced, for clients pin it at first use (TOFU); a key is written to a file
that only its owner may read, complete or not at all; every complaint names the file.
"""

import contextlib
import datetime
import os
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from gemd.config.mistake import Mistake
from gemd.protocol.fingerprint import sha256
from gemd.system.attempt import attempt
from gemd.system.certificate_parsing import (
    Certificates,
    PrivateKey,
    count_keys,
    is_self_signed,
    parse_chain,
    parse_key,
    read_content,
)
from gemd.system.certificate_warnings import Pair, find_warnings
from gemd.system.whole_files import replace_whole, write_once

T = TypeVar("T")

_LIFETIME = datetime.timedelta(days=36525)  # a century: renewal alarms clients that pinned the certificate
_BACKDATED = datetime.timedelta(days=1)  # for clients whose clock is behind
_MAX_COMMON_NAME = 64  # X.520, ub-common-name


class CertificateError(Mistake):
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
        return sha256(self.der)

    @property
    def der(self) -> bytes:
        """The certificate itself, without its chain."""
        return self.chain[0].public_bytes(serialization.Encoding.DER)


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
                key = load_key(key_path)  # which another process may have made meanwhile
                pem = make_self_signed(key, names).public_bytes(serialization.Encoding.PEM)
                write_once(certificate_path, pem, 0o644, owner)
    except OSError as error:
        raise explain_unmade(directory, error) from None
    return load_kept(directory, names)


def explain_unmade(directory: Path, error: OSError) -> CertificateError:
    """Why none can be made there."""
    where = f": {error.filename}" if error.filename is not None else ""  # a disk that is full has none
    return CertificateError(f"can't make a certificate in {directory}: {error.strerror}{where}")


def load_key(path: Path) -> PrivateKey:
    """A private key alone. Raises CertificateError."""
    return _parse(parse_key, _read(path), path)


def load_kept(directory: Path, names: tuple[str, ...]) -> ServerCertificate:
    """The certificate of the host `names[0]` that is kept in `directory`. Raises CertificateError."""
    return _load(*certificate_paths(directory, names[0]), names, is_kept=True)


def load(
    certificate_path: Path, key_path: Path, names: tuple[str, ...] = (), *, is_server: bool = True
) -> ServerCertificate:
    """Load a certificate, with its chain where it is in PEM, and its key, each in PEM or DER, whatever the files are
    called. It should be for `names`, and is a client's unless it `is_server`. Raises CertificateError."""
    return _load(certificate_path, key_path, names, is_server=is_server)


def _load(
    certificate_path: Path, key_path: Path, names: tuple[str, ...], *, is_server: bool = True, is_kept: bool = False
) -> ServerCertificate:
    chain = _parse(parse_chain, _read(certificate_path), certificate_path)
    content = _read(key_path)
    key, keys = _parse(parse_key, content, key_path), count_keys(content)
    if (public := _find_public_key(chain[0])) is None:
        text = f"{certificate_path} is for a key of a kind that is not known here"
        raise CertificateError(f"{text}: take a certificate for P-256, as gemd makes it, or P-384")
    if key.public_key() != public:
        raise CertificateError(_explain_mismatch(chain, key, certificate_path, key_path, keys))
    pair = Pair(chain, key, certificate_path, key_path, keys, names, is_server, is_kept)
    try:
        return ServerCertificate(chain, key, certificate_path, find_warnings(pair))
    except OSError as error:
        raise CertificateError(f"{key_path} can't be read: {error.strerror}") from None


def _parse(parse: Callable[[bytes, Path], T], content: bytes, path: Path) -> T:
    try:
        return parse(content, path)
    except ValueError as error:
        raise CertificateError(str(error)) from None


def _find_public_key(certificate: x509.Certificate) -> object | None:
    """None if nothing is known here about keys of its kind."""
    try:
        return certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _explain_mismatch(chain: Certificates, key: PrivateKey, path: Path, key_path: Path, keys: int) -> str:
    for number, other in enumerate(chain[1:], 2):
        if _find_public_key(other) == key.public_key():
            text = f"{key_path} is the key of number {number} of the certificates in {path}"
            return f"{text}, whose first certificate has to be the server's own: put that first, its issuers behind it"
    what = key_path if keys == 1 else f"the first of {keys} private keys in {key_path}"
    return f"{what} is not the key of {path}, whose first certificate has to be the server's own"


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


def _read(path: Path) -> bytes:
    try:
        with attempt(f"{path} could not be read"):
            return read_content(path)
    except OSError as error:
        from gemd.system.hindrances import explain_unusable  # for mistakes alone

        raise CertificateError(f"{path} can't be read: {explain_unusable(path, error)}") from None


def certificate_paths(directory: Path, name: str) -> tuple[Path, Path]:
    """Where `find_or_make` keeps certificate and key of the host `name`."""
    stem = name.replace("*", "+").replace(":", "_")
    return directory / f"{stem}.crt", directory / f"{stem}.key"


def renew_self_signed(directory: Path, names: tuple[str, ...]) -> ServerCertificate:
    """A new certificate for the same key in the place of that of the host `names[0]`, at the operator's demand.

    Every moment finds the old one or the new one; afterwards the old one is beside it as NAME.crt.old. Owner and mode
    stay. Raises CertificateError, and then nothing has changed.
    """
    certificate_path, _ = certificate_paths(directory, names[0])
    before = load_kept(directory, names)
    if not is_self_signed(before.chain[0]):
        raise CertificateError(f"{certificate_path} is not self-signed: renew it where it was issued")
    try:
        replace_whole(certificate_path, make_self_signed(before.key, names).public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise CertificateError(f"can't replace {certificate_path}: {error.strerror}: {error.filename}") from None
    return load_kept(directory, names)
