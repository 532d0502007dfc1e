"""Certificates, and a server's with its key, as bytes for another process to use.

Rule: who takes it over checks that all belongs together. Whether the numbers of an RSA key are primes was checked when
it was read, and takes 0.3 s for one of 4096 bits.
"""

from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gemd.system.certificate_parsing import Certificates, PrivateKey
from gemd.system.certificates import CertificateError, ServerCertificate


class PortableCertificate(msgspec.Struct, frozen=True):
    """A chain (leaf first) and a private key in DER (RFC 5280, RFC 5208), and where they come from."""

    chain: tuple[bytes, ...]
    key: bytes
    path: str
    warnings: tuple[str, ...]


def pack_certificate(certificate: ServerCertificate) -> PortableCertificate:
    """The certificate as bytes."""
    der = serialization.Encoding.DER
    key = certificate.key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = pack_certificates(certificate.chain)
    return PortableCertificate(chain, key, str(certificate.path), certificate.warnings)


def unpack_certificate(packed: PortableCertificate) -> ServerCertificate:
    """The certificate again. Raises CertificateError."""
    try:
        chain = unpack_certificates(packed.chain)
        key = serialization.load_der_private_key(packed.key, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{packed.path} can't be handed on: {error}") from None
    if not chain or not isinstance(key, PrivateKey) or key.public_key() != chain[0].public_key():
        raise CertificateError(f"{packed.path} can't be handed on: it has no certificate, or another key")
    return ServerCertificate(chain, key, Path(packed.path), packed.warnings)


def pack_certificates(certificates: Certificates) -> tuple[bytes, ...]:
    """Each in DER."""
    return tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates)


def unpack_certificates(ders: tuple[bytes, ...]) -> Certificates:
    """The certificates again. Raises ValueError."""
    return tuple(map(x509.load_der_x509_certificate, ders))
