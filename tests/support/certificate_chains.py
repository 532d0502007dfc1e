"""Chains of certificates as clients might send them, with whatever keys and extensions a test wants.

Rule: nothing is checked, so that a chain can be as odd as an attacker's. A key that signs nothing may be a public one.
"""

import datetime
import math

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def make_key(curve=ec.SECP256R1):
    return ec.generate_private_key(curve())


def make_rsa_key(bits=2048, exponent_bits=17):
    """A public key of these sizes, to which there is no private one."""
    return rsa.RSAPublicNumbers((1 << (exponent_bits - 1)) + 1, (1 << (bits - 1)) + 1).public_key()


def make_dear_key():
    """An RSA key by which it is cheap to sign, and dear to verify: its public exponent is as long as its modulus."""
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q, order = numbers.p, numbers.q, math.lcm(numbers.p - 1, numbers.q - 1)
    d = next(number for number in range(3, order, 2) if math.gcd(number, order) == 1)
    public = rsa.RSAPublicNumbers(pow(d, -1, order), p * q)
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), numbers.iqmp, public)
    return private.private_key(unsafe_skip_rsa_key_validation=True)


class Link:
    """A certificate and its key, with those above it. Without an issuer it is self-signed."""

    def __init__(self, name="root", *, issuer=None, key=None, ca=True, start=NOW - DAY, end=NOW + DAY, extensions=()):
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = key or make_key()
        self.issuer = issuer
        above = issuer or self
        public_key = self.key.public_key() if hasattr(self.key, "public_key") else self.key
        builder = x509.CertificateBuilder().issuer_name(above.name).subject_name(self.name)
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(end)
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        self.certificate = builder.sign(above.key, hashes.SHA256())

    @property
    def der(self):
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain(self):
        """As a client sends it: without the root."""
        return (self.der, *self.issuer.chain) if self.issuer is not None else ()


def make_leaf(root, between=0, *, curve=ec.SECP256R1, **options):
    """A client's certificate below `root`, with so many authorities between the two."""
    issuer = root
    for number in range(between):
        issuer = Link(f"between {number}", issuer=issuer, key=make_key(curve))
    return Link("Jane", issuer=issuer, ca=False, **options)


# DER


def encode(tag, content):
    """An element."""
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x80 | len(octets)]) + octets) + content


def encode_integer(number):
    return encode(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def replace(der, old, new):
    """These elements with `new` wherever one is `old`, at any depth."""
    replaced = b""
    while der:
        start = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
        end = start + (int.from_bytes(der[2:start], "big") if der[1] & 0x80 else der[1])
        element, tag, content = der[:end], der[0], der[start:end]
        if element == old:
            element = new
        elif tag & 0x20 and old in content:
            element = encode(tag, replace(content, old, new))
        replaced, der = replaced + element, der[end:]
    return replaced
