"""What anybody can read in a certificate, without its key.

Rule: it may be a stranger's, so whatever is wrong with one is a CertificateError.
"""

import datetime
import warnings
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gemd.protocol.fingerprint import sha256
from gemd.system.certificate_parsing import CURVES, parse_chain, read_content, read_names
from gemd.system.certificates import CertificateError


class CertificateFacts(msgspec.Struct, frozen=True):
    """Fingerprints are SHA-256 in lower-case hexadecimal, the second one that of the public key (SPKI), which outlives
    a renewal. `names` are the DNS names and addresses of the SAN."""

    names: tuple[str, ...]
    key_type: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str
    public_key_fingerprint: str


def read_facts(path: Path) -> CertificateFacts:
    """The facts of the first certificate in a file, PEM or DER. Raises CertificateError."""
    try:
        content = read_content(path)
    except OSError as error:
        raise CertificateError(f"{path} can't be read: {error.strerror}") from None
    try:
        leaf = parse_chain(content, path)[0]
    except ValueError as error:
        raise CertificateError(str(error)) from None
    try:
        return _collect(leaf)
    except _FAULTS as error:
        raise CertificateError(f"the certificate in {path} can't be read: {error}") from None


def parse_facts(der: bytes) -> CertificateFacts:
    """The facts of a certificate in DER. Raises CertificateError."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of oddities, and here they are strangers'
            return _collect(x509.load_der_x509_certificate(der))
    except _FAULTS as error:
        raise CertificateError(f"the certificate can't be read: {error}") from None


_FAULTS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)


def _collect(certificate: x509.Certificate) -> CertificateFacts:
    key = certificate.public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return CertificateFacts(
        names=read_names(certificate),
        key_type=_name_key(key),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=sha256(certificate.public_bytes(serialization.Encoding.DER)),
        public_key_fingerprint=sha256(spki),
    )


def _name_key(key: object) -> str:
    """ "ECDSA P-256", "RSA 2048", "Ed25519"."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {CURVES.get(key.curve.name, key.curve.name)}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey")
