"""Fingerprints of certificates: SHA-256 of the whole certificate, or of its public key (SPKI).

A renewed certificate that keeps its key keeps the second.
"""

import hashlib
import re
from typing import Literal

import msgspec

_FORM = re.compile(
    r"(?:(?P<prefix>SHA256|SPKI-SHA256):)?(?P<hex>[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})"
)


class Fingerprint(msgspec.Struct, frozen=True):
    """`digest` is in lower-case hexadecimal, without colons."""

    of: Literal["certificate", "public key"]
    digest: str


def parse_fingerprint(text: str) -> Fingerprint:
    """Parse "SHA256:<hex>", "SPKI-SHA256:<hex>" or bare hex (a certificate's). Raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("expected SHA256: or SPKI-SHA256: and 64 hexadecimal digits")
    digest = match["hex"].replace(":", "").lower()
    return Fingerprint("public key" if match["prefix"] == "SPKI-SHA256" else "certificate", digest)


def sha256(octets: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(octets).hexdigest()
