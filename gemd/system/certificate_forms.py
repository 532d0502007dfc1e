"""A certificate and its key as another server has them, in the form that gemd reads."""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gemd.system.certificates import CertificateError, PrivateKey

_PEM = b"-----BEGIN "


def is_der(path: Path) -> bool:
    """Whether a file is no PEM. Raises CertificateError where it can't be read."""
    return _PEM not in _read_all(path)


def read_as_pem(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """Both in PEM, whether they are in PEM or DER. Raises CertificateError."""
    certificate_bytes, key_bytes = _read_all(certificate), _read_all(key)
    try:
        if _PEM not in certificate_bytes:
            loaded = x509.load_der_x509_certificate(certificate_bytes)
            certificate_bytes = loaded.public_bytes(serialization.Encoding.PEM)
    except ValueError:
        raise CertificateError(f"{certificate}: no certificate in PEM or DER") from None
    try:
        if _PEM not in key_bytes:
            private_key = serialization.load_der_private_key(key_bytes, password=None)
            key_bytes = private_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateError(f"{key}: no private key in PEM or DER that has no password") from None
    _judge(certificate, certificate_bytes, key, key_bytes)
    return certificate_bytes, key_bytes


def _judge(certificate: Path, certificate_bytes: bytes, key: Path, key_bytes: bytes) -> None:
    """Raise CertificateError unless they belong together, and gemd can use them."""
    try:
        chain = x509.load_pem_x509_certificates(certificate_bytes)
        private_key = serialization.load_pem_private_key(key_bytes, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{certificate} and {key} can't be used: {error}") from None
    if not isinstance(private_key, PrivateKey):
        raise CertificateError(f"{key} is neither an ECDSA nor an RSA key; some Gemini clients know no other")
    if private_key.public_key() != chain[0].public_key():
        raise CertificateError(f"{key} is not the key of {certificate}")


def _read_all(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
