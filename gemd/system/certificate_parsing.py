"""Certificates and keys from the bytes of a file, in PEM or DER.

Rules: the form is told by the content and never by a file's name; what is wrong is told in words of our own, each with
the file and what to do, for what a library says of it helps nobody.
"""

import errno
import os
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Certificates = tuple[x509.Certificate, ...]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}  # RFC 8446, 4.2.3

_FAULTS = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)
_MOST_READ = 1024 * 1024  # bytes
_PEM = b"-----BEGIN "
_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_CERTIFICATE = "a certificate"
_KEY = "a private key"
_CONTENTS = {
    b"CERTIFICATE": _CERTIFICATE,
    b"X509 CERTIFICATE": _CERTIFICATE,
    b"TRUSTED CERTIFICATE": "a certificate in a form of OpenSSL alone",
    b"CERTIFICATE REQUEST": "a request for a certificate",
    b"NEW CERTIFICATE REQUEST": "a request for a certificate",
    b"PRIVATE KEY": _KEY,
    b"RSA PRIVATE KEY": _KEY,
    b"EC PRIVATE KEY": _KEY,
    b"ENCRYPTED PRIVATE KEY": "an encrypted private key",
    b"OPENSSH PRIVATE KEY": "a private key in a form of OpenSSH alone",
    b"PUBLIC KEY": "a public key",
    b"RSA PUBLIC KEY": "a public key",
    b"PKCS7": "certificates in PKCS #7 form",
}
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x7f]|\x80|[\x81-\x84].{1,4})\x02\x01\x03\x30", re.DOTALL)  # RFC 7292, 4


def _open_at_once(path: str, flags: int) -> int:
    """A pipe that nobody writes to is at its end, and nobody is waited for."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read_content(path: Path) -> bytes:
    """All of a file. Raises OSError, also for one that is larger than any of certificates or keys."""
    with open(path, "rb", opener=_open_at_once) as file:
        os.set_blocking(file.fileno(), True)
        content = file.read(_MOST_READ + 1)
    if len(content) > _MOST_READ:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def parse_chain(content: bytes, path: Path) -> Certificates:
    """The certificates in the file `path`. Raises ValueError with what is wrong with it."""
    try:
        if is_pem(content):
            return tuple(x509.load_pem_x509_certificates(content))
        return (x509.load_der_x509_certificate(content),)
    except _FAULTS:
        raise ValueError(_explain(content, path, _CERTIFICATE)) from None


def parse_key(content: bytes, path: Path) -> PrivateKey:
    """The first private key in the file `path`. Raises ValueError with what is wrong with it."""
    load = serialization.load_pem_private_key if is_pem(content) else serialization.load_der_private_key
    try:
        key = load(content, password=None)
    except TypeError:
        raise ValueError(
            f"{path} is encrypted, and a server has nobody to ask for a password: "
            f"`openssl pkey -in {path} -out NEW` decrypts it"
        ) from None
    except _FAULTS:
        raise ValueError(_explain(content, path, _KEY)) from None
    if not isinstance(key, PrivateKey):
        raise ValueError(f"{path} is neither an ECDSA nor an RSA nor an Ed25519 key; Gemini clients know no other")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name not in CURVES:
        raise ValueError(
            f"{path} is a key on the curve {key.curve.name}, with which no handshake succeeds, for TLS 1.3 has no "
            "signature by it and no client offers it for TLS 1.2: take P-256, as gemd makes it, or P-384"
        )
    return key


def count_keys(content: bytes) -> int:
    """How many private keys a file has."""
    return sum(_CONTENTS.get(label) == _KEY for label in _LABEL.findall(content)) if is_pem(content) else 1


def is_pem(content: bytes) -> bool:
    """Whether a file that should hold a certificate or key is in PEM, and not in DER."""
    return _PEM in content


def read_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and addresses that a certificate is for (SAN)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether nobody else has issued it, by what it says."""
    return certificate.issuer == certificate.subject


def _explain(content: bytes, path: Path, wanted: str) -> str:
    """Why there is not what is `wanted` in a file, and what to do."""
    noun = wanted.removeprefix("a ")
    if not content.strip():
        return f"{path} is empty: there is no {noun} in it"
    if _PKCS12.match(content):
        return (
            f"{path} is in PKCS #12 form: `openssl pkcs12 -in {path} -nodes -out both.pem` makes a PEM file of it, "
            "which can be both certificate and key"
        )
    found = list(dict.fromkeys(_CONTENTS.get(label, "") for label in _LABEL.findall(content)))
    if wanted in found:
        return f"{path} has {wanted} in PEM form that is damaged: a part of it was lost or changed; copy it anew"
    text = f"{path} has no {noun} in PEM or DER form"
    others = [each for each in found if each]
    return f"{text}, but {' and '.join(others)}: name the file with the {noun}" if others else text
