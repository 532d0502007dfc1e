"""The chain of certificates that a client sends: read, and bounded before any of its signatures is verified.

Rules: only keys are accepted of which it is known what they cost. What may take longer than a page does is said to be
large, or slow, so that the event loop need not wait for it.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import cast

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import PublicKeyAlgorithmOID
from OpenSSL import crypto

# What the cryptography library raises for a certificate that it can't read, wholly or in part.
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    KeyError,  # for a kind of text that a name can't have, by cryptography 45
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_MAX_CERTIFICATES = 8
_MAX_RSA_BITS = 4096
_MAX_EXPONENT_BITS = 33
# Others are not even read: the numbers of a Diffie-Hellman key are checked then, 30,000 bits of them for 70 ms.
_ALGORITHMS = frozenset(
    {
        PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
        PublicKeyAlgorithmOID.RSASSA_PSS,
        PublicKeyAlgorithmOID.EC_PUBLIC_KEY,
        PublicKeyAlgorithmOID.ED25519,
        PublicKeyAlgorithmOID.ED448,
    }
)
# The same kinds, as OpenSSL numbers them (<openssl/obj_mac.h>). Other curves than known ones TLS refuses itself.
_RSA_TYPES = frozenset({6, 912})
_CHEAP_TYPES = frozenset({408, 1087, 1088})
# OpenSSL compares each name with each constraint, of 1,000 and 1,000 URIs for 120 ms.
_MAX_NAMES = 100
_NAME_CONSTRAINTS = bytes.fromhex("0603551d1e")  # the extension's OID in DER

# Milliseconds of CPU for one signature, measured generously.
_RSA_COST = 0.15  # with 4096 bits and an exponent of 33
_ED25519_COST = 0.1
_ED448_COST = 0.2
_CURVE_COSTS = {
    "secp256r1": 0.07,
    "secp384r1": 0.5,
    "secp521r1": 0.5,
    "secp256k1": 0.3,
    "brainpoolP256r1": 0.3,
    "brainpoolP384r1": 0.7,
    "brainpoolP512r1": 0.9,
}

# What the event loop can spare: as much as the rest of a page takes.
_QUICK_CERTIFICATES = 3
_QUICK_BYTES = 4096
_QUICK_COST = 0.35  # milliseconds for signatures

_OTHER_KIND = "A key of the client certificate's chain is of a kind that is not accepted"


class UnfitChain(Exception):
    """The chain goes beyond a bound, or can't be read; the text says in what way, in words fit for the client."""


class ClientChain(msgspec.Struct, frozen=True):
    """A chain within the bounds; the client's own certificate comes first."""

    ders: tuple[bytes, ...]
    certificates: tuple[x509.Certificate, ...]
    cost: float  # milliseconds for the signatures that its keys may have made

    @property
    def has_constraints(self) -> bool:
        """Whether one of the certificates says for what names it may be used, by the looks of it."""
        return any(map(constrains_names, self.certificates))


def check_length(ders: tuple[bytes, ...]) -> None:
    """Raise UnfitChain where there are too many certificates."""
    if len(ders) > _MAX_CERTIFICATES:
        raise UnfitChain(f"The client certificate's chain is too long: at most {_MAX_CERTIFICATES} certificates")


def is_large(ders: tuple[bytes, ...]) -> bool:
    """Whether merely to read it can take longer than the event loop can spare."""
    return len(ders) > _QUICK_CERTIFICATES or sum(map(len, ders)) > _QUICK_BYTES


def read_chain(ders: tuple[bytes, ...]) -> ClientChain:
    """Read a chain in DER. Raises UnfitChain."""
    check_length(ders)
    try:
        certificates = tuple(map(x509.load_der_x509_certificate, ders))
        keys = [_read_key(certificate) for certificate in certificates]
        list(moments_of(certificates))
    except UNREADABLE:
        raise UnfitChain("The client certificate's chain can't be read") from None
    # The first one's key vouches for nobody.
    return ClientChain(ders, certificates, sum([_bound(key) for key in keys][1:]))


@functools.lru_cache(maxsize=256)
def is_key_affordable(der: bytes) -> bool:
    """Whether a signature by the own key of a certificate in DER may be verified in the handshake, where everybody
    waits for it.

    A client chooses its key: an exponent of 3072 bits costs ten times what the rest of a handshake does, and the
    client nothing, whose own exponent is 3 then. OpenSSL has a bound for the other number: 16384 bits, which are two
    milliseconds where the exponent is short.
    """
    try:
        key = crypto.load_certificate(crypto.FILETYPE_ASN1, der).get_pubkey()
        if key.type() in _CHEAP_TYPES:
            return True
        if key.type() not in _RSA_TYPES:
            return False
        numbers = cast(rsa.RSAPublicKey, key.to_cryptography_key()).public_numbers()
    except (crypto.Error, *UNREADABLE):
        return False
    return numbers.e.bit_length() <= _MAX_EXPONENT_BITS


def is_slow(chain: ClientChain, authority: float) -> bool:
    """Whether to judge it can take longer than the event loop can spare; `authority` is what the signature of one of
    the authorities costs, in milliseconds."""
    return chain.has_constraints or chain.cost + authority > _QUICK_COST


def check_names(certificates: Iterable[x509.Certificate]) -> None:
    """Raise UnfitChain where there are too many names, and constraints on names, for each to be compared with each."""
    try:
        count = sum(map(_count_names, certificates))
    except UNREADABLE:
        raise UnfitChain("The client certificate's chain can't be read") from None
    if count > _MAX_NAMES:
        raise UnfitChain(f"The client certificate's chain has too many names: at most {_MAX_NAMES} with constraints")


def constrains_names(certificate: x509.Certificate) -> bool:
    """Whether there are name constraints in it (RFC 5280, 4.2.1.10); now and then True for something else."""
    return _NAME_CONSTRAINTS in certificate.tbs_certificate_bytes


def moments_of(certificates: Iterable[x509.Certificate]) -> Iterator[float]:
    """When something about their validity changes, in seconds since the epoch."""
    for certificate in certificates:
        yield certificate.not_valid_before_utc.timestamp()
        yield certificate.not_valid_after_utc.timestamp()


def signature_cost(key: CertificatePublicKeyTypes) -> float | None:
    """Milliseconds of CPU at most to verify a signature of this key; None for a kind that is not known."""
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e.bit_length()
        return _RSA_COST * (key.key_size / _MAX_RSA_BITS) ** 2 * max(exponent / _MAX_EXPONENT_BITS, 0.5)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVE_COSTS.get(key.curve.name)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _ED25519_COST
    return _ED448_COST if isinstance(key, ed448.Ed448PublicKey) else None


def _read_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Raises UnfitChain for a kind of key that is not accepted, and one of UNREADABLE."""
    if certificate.public_key_algorithm_oid not in _ALGORITHMS:
        raise UnfitChain(_OTHER_KIND)
    return certificate.public_key()


def _bound(key: CertificatePublicKeyTypes) -> float:
    """What a signature of the key costs. Raises UnfitChain where that may be too much."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size > _MAX_RSA_BITS:
            raise UnfitChain(f"A key of the client certificate's chain is too large: at most {_MAX_RSA_BITS} bits")
        if key.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS:
            raise UnfitChain(
                f"An exponent of the client certificate's chain is too large: at most {_MAX_EXPONENT_BITS} bits"
            )
    cost = signature_cost(key)
    if cost is None:
        raise UnfitChain(_OTHER_KIND)
    return cost


def _count_names(certificate: x509.Certificate) -> int:
    """Names that constraints apply to, and constraints. Raises one of UNREADABLE."""
    count = len(list(certificate.subject))
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            count += len(list(value))
        elif isinstance(value, x509.NameConstraints):
            count += len(value.permitted_subtrees or ()) + len(value.excluded_subtrees or ())
    return count
