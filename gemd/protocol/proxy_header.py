"""What a PROXY header says of a connection, whichever version it was written in: values only.

Rules: addresses are in the same plain form as those of sockets, IPv4 as IPv4 even where it was sent as IPv6, so that no
access list is passed by; a header without addresses leaves those of the socket as they are; what of the rest is not
plain text of its kind counts as not told.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import msgspec

from gemd.protocol.peer import UNIX

Version = Literal["v1", "v2"]

MAX_HOPS = 8  # how many gemd may have passed a connection or request on before; more is a loop


class ProxyHeaderError(ValueError):
    """What came is no PROXY header, or one that must not be believed. The text says why in our own words, for a log."""


class Endpoint(msgspec.Struct, frozen=True):
    """One end of a connection; ("unix", 0) for a unix socket."""

    address: str
    port: int


class ProxyHeader(msgspec.Struct, frozen=True):
    """A header that was complete and right.

    Both endpoints are None where the proxy named none: then those of the socket hold. `is_local`: it speaks for the
    proxy itself, as a health check does (LOCAL, UNKNOWN). `server_name` is what the client asked the proxy for, a name
    in lower case. The others are about TLS that ended at the proxy: `certificate` is the client's, in DER, whose key it
    has, whatever the proxy thinks of who signed it; version and cipher are as OpenSSL names them, and "" if not told.
    `hops` says how many gemd have passed the connection on.
    """

    source: Endpoint | None = None
    destination: Endpoint | None = None
    is_local: bool = False
    server_name: str | None = None
    certificate: bytes | None = None
    tls_version: str = ""
    cipher: str = ""
    hops: int = 0


def make_endpoint(address: IPv4Address | IPv6Address, port: int) -> Endpoint:
    """With the address in plain form."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return Endpoint(str(mapped or address), port)


def parse_pair(source: Endpoint, destination: Endpoint) -> tuple[IPv4Address | IPv6Address, ...] | None:
    """Both addresses in one family, as a header must have them: of a mixed pair the IPv4 one is mapped. None if one is
    a unix socket. Raises ValueError for what is no address."""
    texts = source.address, destination.address
    if UNIX in texts:
        return None
    if not any(":" in text for text in texts):
        return tuple(map(IPv4Address, texts))
    return tuple(IPv6Address(text if ":" in text else f"::ffff:{text}") for text in texts)
