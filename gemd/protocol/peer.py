"""Who asks: the remote address, and what TLS says of the connection.

Values only; `gemd.system.tls` fills `TLSInfo` in.
"""

import datetime
import functools
from ipaddress import ip_address, ip_network
from typing import Protocol

import msgspec

UNIX = "unix"  # in place of the address of who came by a unix socket
V6_PREFIX = 64  # what one customer is given; single addresses cost an attacker nothing


class ClientCertificate(msgspec.Struct, frozen=True):
    """A client's certificate, taken apart. Nobody has vouched for it; the handshake proved that the client has the key.

    Fingerprints are SHA-256 in lower-case hexadecimal, `public_key_fingerprint` that of the SubjectPublicKeyInfo.
    `subject` and `issuer` are in RFC 4514 form, the slashed ones as in "/O=Garden/CN=Ada". `fault` says why a
    certificate can't be used, and then the fields that could not be read are empty.
    """

    der: bytes
    fingerprint: str
    public_key_fingerprint: str = ""
    common_name: str = ""
    subject: str = ""
    issuer: str = ""
    issuer_common_name: str = ""
    slashed_subject: str = ""
    slashed_issuer: str = ""
    serial_number: int = 0
    not_before: datetime.datetime = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    not_after: datetime.datetime = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    fault: str = ""


class TLSInfo(Protocol):
    """What a handshake settled. Reading an entry may cost a call into the TLS library, so ask once."""

    @property
    def version(self) -> str:
        """As OpenSSL names it: "TLSv1.3"."""

    @property
    def cipher(self) -> str:
        """As OpenSSL names it: "TLS_AES_128_GCM_SHA256"."""

    @property
    def server_name(self) -> str | None:
        """The host that the client asked for (RFC 6066, 3), in lower case; None when it named none."""

    @property
    def client_certificate(self) -> ClientCertificate | None:
        """None when the client gave none."""

    @property
    def client_chain(self) -> tuple[bytes, ...]:
        """What the client sent along to vouch for its certificate, in DER; its own comes first."""


class Peer(msgspec.Struct, frozen=True):
    """The client of one connection, and the address that it came in on.

    Addresses are in text form without a zone; a client on a unix socket has the address "unix" and port 0. IPv6 clients
    are counted by networks of `v6_prefix` bits. `hops` is how many gemd have passed it on before, as far as is known.
    """

    address: str
    port: int
    local_address: str
    local_port: int
    tls: TLSInfo
    v6_prefix: int = V6_PREFIX
    hops: int = 0

    @property
    def client(self) -> str:
        """Whom every limit counts this peer for."""
        return network_of(self.address, self.v6_prefix)


@functools.lru_cache(maxsize=1024)
def network_of(address: str, v6_prefix: int = V6_PREFIX) -> str:
    """Who is counted as one client by every limit: an IPv4 address, an IPv6 network of so many bits, or whatever the
    address says."""
    if ":" not in address:
        return address
    try:
        return str(ip_network((ip_address(address), v6_prefix), strict=False))
    except ValueError:
        return address
