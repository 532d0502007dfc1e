"""The form that a certificate and its key have in files: which it is, and the one that gemd writes."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization

from gemd.system.certificate_parsing import is_pem, read_content
from gemd.system.certificates import CertificateError, ServerCertificate


def is_der(path: Path) -> bool:
    """Whether a file is no PEM. Raises CertificateError where it can't be read."""
    try:
        return not is_pem(read_content(path))
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None


def render_pem(certificate: ServerCertificate) -> tuple[bytes, bytes]:
    """The chain and its key in PEM, whatever they were read from."""
    pem = serialization.Encoding.PEM
    chain = b"".join(each.public_bytes(pem) for each in certificate.chain)
    key = certificate.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return chain, key
