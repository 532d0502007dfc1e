"""PROXY protocol, version 1: one line of text (proxy-protocol.txt, 2.1).

Rule: exactly one form is right. One blank between fields, no leading zero, sign, zone or bracket, and only CRLF ends
the line; but after UNKNOWN everything up to it is skipped.
"""

import re
from ipaddress import IPv4Address, IPv6Address

from gemd.protocol.proxy_header import Endpoint, ProxyHeader, ProxyHeaderError, make_endpoint, parse_pair

MAX_LINE = 107  # with its CRLF
STARTS = (b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN")

_UNKNOWN = STARTS[2]
_KINDS: dict[str, type[IPv4Address] | type[IPv6Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}
_LINE = re.compile(r"PROXY (TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")
_MAX_PORT = 65535


def find_end(data: bytes) -> int | None:
    """Where a line ends that `data` begins with; None while it may go on. Raises ProxyHeaderError when it can't."""
    end = data.find(b"\r\n", 0, MAX_LINE)
    if end >= 0:
        return end + 2
    if len(data) >= MAX_LINE:
        raise ProxyHeaderError("the line of the PROXY header is longer than 107 octets")
    if b"\n" in data and not data.startswith(_UNKNOWN):
        raise ProxyHeaderError("the line of the PROXY header does not end with CRLF")
    return None


def parse_v1(line: bytes) -> ProxyHeader:
    """What a line says; its CRLF belongs to it. Raises ProxyHeaderError."""
    text = line[:-2].decode("latin-1")
    if text == _UNKNOWN.decode() or text.startswith(_UNKNOWN.decode() + " "):
        return ProxyHeader(is_local=True)
    match = _LINE.fullmatch(text)
    if match is None:
        raise ProxyHeaderError("the line of the PROXY header is malformed")
    kind, source, destination, source_port, destination_port = match.groups()
    return ProxyHeader(
        _parse_endpoint(_KINDS[kind], source, source_port),
        _parse_endpoint(_KINDS[kind], destination, destination_port),
    )


def _parse_endpoint(kind: type[IPv4Address] | type[IPv6Address], address: str, port: str) -> Endpoint:
    if int(port) > _MAX_PORT:
        raise ProxyHeaderError("a port in the PROXY header is over 65535")
    try:
        return make_endpoint(kind(address), int(port))
    except ValueError:
        raise ProxyHeaderError("an address in the PROXY header is none of its family") from None


def encode_v1(source: Endpoint, destination: Endpoint) -> bytes:
    """The line for a connection; UNKNOWN where an end is a unix socket, for which there is no other word. Raises
    ValueError for what is no address."""
    pair = parse_pair(source, destination)
    if pair is None:
        return _UNKNOWN + b"\r\n"
    line = f"PROXY TCP{pair[0].version} {pair[0]} {pair[1]} {source.port} {destination.port}\r\n"
    return line.encode("ascii")
