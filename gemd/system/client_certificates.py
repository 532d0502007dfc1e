"""Certificates of clients: taken apart, and checked against authorities.

Rule: a stranger made them. Whatever is wrong with one becomes its `fault`; nothing here raises for it.
"""

import datetime
import functools
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from OpenSSL import crypto

from gemd.protocol.fingerprint import sha256
from gemd.protocol.peer import ClientCertificate
from gemd.system.certificates import CertificateError


@functools.lru_cache(maxsize=256)
def parse_client_certificate(der: bytes) -> ClientCertificate:
    """Take a certificate in DER apart."""
    fingerprint = sha256(der)
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return ClientCertificate(
            der,
            fingerprint,
            public_key_fingerprint=sha256(key),
            common_name=str(names[0].value) if names else "",
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial_number=certificate.serial_number,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        return ClientCertificate(der, fingerprint, fault=type(error).__name__)


def decode_certificate(certificate: ClientCertificate) -> x509.Certificate | None:
    """The certificate as the cryptography library has it; None for one that it can't read."""
    return None if certificate.fault else x509.load_der_x509_certificate(certificate.der)


def make_client_certificate(common_name: str, start: datetime.datetime, end: datetime.datetime) -> ClientCertificate:
    """A self-signed one, as clients make them, whose key is forgotten: for tests of applications."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    return parse_client_certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


class Authorities:
    """Certificate authorities that vouch for clients, from a PEM file or a directory of such files."""

    def __init__(self, *paths: str) -> None:
        """Load them all. Raises CertificateError where there are none."""
        self._store = crypto.X509Store()
        for path in paths:
            self._load(path)

    def _load(self, path: str) -> None:
        found = 0
        source = Path(path)
        try:
            files = sorted(entry for entry in source.iterdir() if entry.is_file()) if source.is_dir() else [source]
            for file in files:
                for certificate in _load_pem(file, is_only=len(files) == 1):
                    self._store.add_cert(crypto.X509.from_cryptography(certificate))
                    found += 1
        except OSError as error:
            raise CertificateError(f"the authorities in {path} can't be read: {error.strerror}") from None
        if not found:
            raise CertificateError(f"{path} has no certificates of authorities in PEM form")

    def vouch_for(self, chain: tuple[bytes, ...]) -> bool:
        """Whether the first certificate of a chain in DER, with the help of the others, leads to one of them."""
        try:
            leaf, *others = (crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain)
            crypto.X509StoreContext(self._store, leaf, others).verify_certificate()
        except (crypto.Error, crypto.X509StoreContextError, ValueError):
            return False
        return True


def _load_pem(file: Path, *, is_only: bool) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except ValueError as error:
        if is_only:
            raise CertificateError(f"{file} has no certificate in PEM form: {error}") from None
        return []  # a directory may hold other things beside
