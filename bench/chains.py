"""Client certificates whose chain is dear: to verify, or to hold.

An RSA signature is cheap to verify since the usual exponent has 17 bits. Nothing but the key's owner says so: these
issuers have exponents as long as the modulus, so that one signature costs a hundred times as much. What a chain holds
in memory grows with the number of its certificates, so that small ones hold most.
"""

import datetime
import math
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_BITS = 3072  # OpenSSL lets no larger modulus have an exponent of more than 64 bits
_MOST_BYTES = 105_000  # OpenSSL takes 100 KiB by itself, and Go no more


class Chains:
    """Chains of one certificate with any number of issuers, as files in `folder`. `key` is the certificate's.

    The issuers are dear to verify, or as small as may be.
    """

    def __init__(self, folder: Path, *, are_small: bool = False) -> None:
        self._folder = folder
        self._name = "small" if are_small else "dear"
        own = ec.generate_private_key(ec.SECP256R1())
        issuer = own if are_small else _make_issuer_key()
        self._certificates = [_certify("client", "0", own.public_key(), issuer, is_issuer=False)]
        sizes = [self.size(0)]
        while sum(sizes) < _MOST_BYTES:
            number = len(self._certificates) - 1
            one = _certify(f"{number}", f"{number + 1}", issuer.public_key(), issuer, is_issuer=True)
            self._certificates.append(one)
            sizes.append(len(one.public_bytes(serialization.Encoding.DER)))
        self.key = folder / f"{self._name}-key.pem"
        self.key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def make(self, issuers: int) -> Path:
        """The file of a chain with so many issuers."""
        path = self._folder / f"{self._name}-{issuers}.pem"
        path.write_bytes(
            b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self._certificates[: issuers + 1])
        )
        return path

    def size(self, issuers: int) -> int:
        """How many bytes it has in a handshake."""
        return sum(len(one.public_bytes(serialization.Encoding.DER)) for one in self._certificates[: issuers + 1])

    def find_largest(self, is_let_in: Callable[[Path], bool]) -> int | None:
        """The most issuers that a server lets in, provided that it lets in all shorter chains too; None when it takes
        no such certificate at all."""
        if not is_let_in(self.make(0)):
            return None
        least, most = 0, len(self._certificates) - 1
        while least < most:
            middle = (least + most + 1) // 2
            if is_let_in(self.make(middle)):
                least = middle
            else:
                most = middle - 1
        return least


def _make_issuer_key() -> rsa.RSAPrivateKey:
    usual = rsa.generate_private_key(65537, _BITS).private_numbers()
    p, q = usual.p, usual.q
    order = (p - 1) * (q - 1)
    exponent = 0
    while math.gcd(exponent, order) != 1:
        exponent = secrets.randbits(_BITS - 1) | 1 << (_BITS - 2) | 1
    secret = pow(exponent, -1, order)
    public = rsa.RSAPublicNumbers(exponent, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, secret, secret % (p - 1), secret % (q - 1), rsa.rsa_crt_iqmp(p, q), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _certify(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    signer: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    is_issuer: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
    )
    if is_issuer:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(signer, hashes.SHA256())
