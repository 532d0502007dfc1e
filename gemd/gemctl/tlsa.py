"""What the DNS can say of a certificate: TLSA records (RFC 6698), by which clients know a key at first sight.

Rules: a record holds the SHA-256 of the public key (3 1 1), so that a renewal for the same key leaves it true; it is
for the port that URLs have without saying so; an address has no record, nor has a wildcard, which is none below `_tcp`.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from gemd.protocol.url import DEFAULT_PORT
from gemd.system.certificate_facts import CertificateFacts

_OWN_KEY = "3 1 1"  # DANE-EE, SubjectPublicKeyInfo, SHA-256


def render_records(names: Iterable[str], facts: CertificateFacts) -> str:
    """A line of a zone file for each of the names that can have one."""
    records = (
        f"_{DEFAULT_PORT}._tcp.{name}. IN TLSA {_OWN_KEY} {facts.public_key_fingerprint}\n"
        for name in names
        if _find_obstacle(name) is None
    )
    return "".join(records)


def explain_omissions(names: Iterable[str]) -> list[str]:
    """A line for each of the names that can't."""
    obstacles = ((name, _find_obstacle(name)) for name in names)
    return [f"{name}: no record for {obstacle}" for name, obstacle in obstacles if obstacle is not None]


def _find_obstacle(name: str) -> str | None:
    if "*" in name:
        return "a wildcard, but for each name that it stands for, with the same hash"
    try:
        ip_address(name)
    except ValueError:
        return None
    return "an address"
