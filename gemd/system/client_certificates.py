"""Certificates of clients, taken apart.

Rule: a stranger made them. Whatever is wrong with one becomes its `fault`; nothing here raises for it.
"""

import datetime
import functools
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gemd.protocol.fingerprint import sha256
from gemd.protocol.peer import ClientCertificate
from gemd.system.client_chain import UNREADABLE

_TYPED = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)(?=\x06)", re.DOTALL)
_MAX_TYPED = 120  # attributes of both names, algorithms, extensions; a thousand take the event loop 7 ms, each time
_MAX_SERIAL_BITS = 1024  # RFC 5280, 4.1.2.2, has 160; Python writes no number of more than 4,300 digits


@functools.lru_cache(maxsize=256)
def parse_client_certificate(der: bytes) -> ClientCertificate:
    """Take a certificate in DER apart."""
    fingerprint = sha256(der)
    try:
        if _count_typed(der) > _MAX_TYPED:
            raise ValueError("names that nobody has")
        certificate = x509.load_der_x509_certificate(der)
        if certificate.serial_number.bit_length() > _MAX_SERIAL_BITS:
            raise ValueError("a serial number that nobody could write down")
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return ClientCertificate(
            der,
            fingerprint,
            public_key_fingerprint=sha256(key),
            common_name=_find_common_name(certificate.subject),
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            issuer_common_name=_find_common_name(certificate.issuer),
            slashed_subject=_slash(certificate.subject),
            slashed_issuer=_slash(certificate.issuer),
            serial_number=certificate.serial_number,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except UNREADABLE as error:
        return ClientCertificate(der, fingerprint, fault=type(error).__name__)


def _find_common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _slash(name: x509.Name) -> str:
    """A name as OpenSSL prints it on one line."""
    return "".join(f"/{attribute.rfc4514_attribute_name}={_show(attribute.value)}" for attribute in name)


def _show(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _count_typed(der: bytes) -> int:
    """How much in it has a type of its own, as each attribute of a name has, before any of that is read: sequences that
    begin with an object identifier (X.690, 8.9 and 8.19)."""
    return len(_TYPED.findall(der))


def decode_certificate(certificate: ClientCertificate) -> x509.Certificate | None:
    """The certificate as the cryptography library has it; None for one that it can't read."""
    return None if certificate.fault else decode_der(certificate.der)


def decode_der(der: bytes) -> x509.Certificate:
    """The same of one that `parse_client_certificate` has found no fault in."""
    return x509.load_der_x509_certificate(der)


def make_client_certificate(common_name: str, start: datetime.datetime, end: datetime.datetime) -> ClientCertificate:
    """A self-signed one, as clients make them, whose key is forgotten: for tests of applications."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    return parse_client_certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
