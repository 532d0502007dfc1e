"""PROXY protocol, version 2: a binary header with fields of type, length and value behind the addresses
(proxy-protocol.txt, 2.2).

Rules: what must not be sent is refused; fields that nobody here needs are skipped, but none may reach past the end; of
two fields of one type the first counts; the checksum is taken over the octets as they came. A header of LOCAL says
nothing: all behind its length is skipped, whatever it holds.
"""

import re
import struct
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address

from gemd.protocol.crc32c import crc32c
from gemd.protocol.host import normalise_host
from gemd.protocol.peer import UNIX
from gemd.protocol.proxy_header import (
    Endpoint,
    ProxyHeader,
    ProxyHeaderError,
    make_endpoint,
    parse_pair,
)

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
PREFIX_SIZE = 16

_PREFIX = struct.Struct(">12sBBH")  # signature, version and command, family and transport, length of what follows
_FIELD = struct.Struct(">BH")
_SSL = struct.Struct(">BI")
_VERSION = 0x20
_UNSPECIFIED = 0x00
_STREAMS = {0x11: struct.Struct(">4s4sHH"), 0x21: struct.Struct(">16s16sHH"), 0x31: struct.Struct(">108s108s")}
_DATAGRAMS = (0x12, 0x22, 0x32)
_UNIX_STREAM = 0x31
_FAMILIES = {4: 0x11, 6: 0x21}
_HOPS_MAGIC = b"gemd hops:"  # the type is anybody's, so the value has to tell that it is ours
_PLAIN = re.compile(rb"[A-Za-z0-9._+-]{1,64}")  # a version of TLS, or a cipher
_GO_VERSION = b"TLS 1."  # as Go's library names it
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")


class _Command(IntEnum):
    LOCAL = 0
    PROXY = 1


class _Type(IntEnum):
    AUTHORITY = 0x02
    CRC32C = 0x03
    SSL = 0x20
    SSL_VERSION = 0x21
    SSL_CIPHER = 0x23
    SSL_CLIENT_CERT = 0x28
    HOPS = 0xE7  # of those for one's own use


class _Client(IntFlag):
    SSL = 1
    CERT_CONN = 2
    CERT_SESS = 4


def find_size(data: bytes, max_size: int) -> int | None:
    """How long the header is that `data` begins with; None while that is not known. Raises ProxyHeaderError for one
    that is too long, or not to be read, before any of the rest has to come."""
    if len(data) < PREFIX_SIZE:
        return None
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:PREFIX_SIZE], "big")
    if PREFIX_SIZE + length > max_size:
        raise ProxyHeaderError(f"the PROXY header is longer than {max_size} octets")
    if command & 0xF0 != _VERSION:
        raise ProxyHeaderError("the PROXY header has an unknown version")
    if command & 0x0F not in list(_Command):
        raise ProxyHeaderError("the PROXY header has an unknown command")
    if command & 0x0F == _Command.LOCAL or family == _UNSPECIFIED:
        return PREFIX_SIZE + length
    if family in _DATAGRAMS:
        raise ProxyHeaderError("the PROXY header is about datagrams")
    if family not in _STREAMS:
        raise ProxyHeaderError("the PROXY header has an unknown address family")
    if length < _STREAMS[family].size:
        raise ProxyHeaderError("the PROXY header is too short for its addresses")
    return PREFIX_SIZE + length


def parse_v2(header: bytes) -> ProxyHeader:
    """What a header says that find_size has found to be complete. Raises ProxyHeaderError."""
    command, family = header[12] & 0x0F, header[13]
    if command == _Command.LOCAL:
        return ProxyHeader(is_local=True)
    source, destination, end = _parse_addresses(header, family)
    fields: dict[int, bytes] = {}
    for kind, start, value in _split_fields(header, end):
        if kind == _Type.CRC32C:
            _check(header, start, value, is_first=kind not in fields)
        fields.setdefault(kind, value)
    certificate, version, cipher = _parse_ssl(fields.get(_Type.SSL))
    return ProxyHeader(
        source,
        destination,
        False,
        _parse_name(fields.get(_Type.AUTHORITY, b"")),
        certificate,
        version,
        cipher,
        _parse_hops(fields.get(_Type.HOPS, b"")),
    )


def _parse_addresses(header: bytes, family: int) -> tuple[Endpoint | None, Endpoint | None, int]:
    """Both ends, and where the fields begin."""
    if family == _UNSPECIFIED:
        return None, None, PREFIX_SIZE
    block = _STREAMS[family]
    end = PREFIX_SIZE + block.size
    if family == _UNIX_STREAM:
        return Endpoint(UNIX, 0), Endpoint(UNIX, 0), end
    source, destination, source_port, destination_port = block.unpack_from(header, PREFIX_SIZE)
    kind = IPv4Address if len(source) == 4 else IPv6Address
    return make_endpoint(kind(source), source_port), make_endpoint(kind(destination), destination_port), end


def _split_fields(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """Type of each field, where its value starts, and the value."""
    while at < len(data):
        if at + _FIELD.size > len(data):
            raise ProxyHeaderError("a field of the PROXY header is cut off")
        kind, size = _FIELD.unpack_from(data, at)
        start = at + _FIELD.size
        at = start + size
        if at > len(data):
            raise ProxyHeaderError("a field of the PROXY header reaches past its end")
        yield kind, start, data[start:at]


def _check(header: bytes, start: int, value: bytes, *, is_first: bool) -> None:
    """Whether the checksum is right; only one, for each takes time. Raises ProxyHeaderError."""
    if len(value) != 4 or not is_first:
        raise ProxyHeaderError("the PROXY header has more than one checksum, or one of another size")
    if crc32c(header[:start] + bytes(4) + header[start + 4 :]) != int.from_bytes(value, "big"):
        raise ProxyHeaderError("the checksum of the PROXY header is wrong")


def _parse_name(value: bytes) -> str | None:
    """A host's name; an address is none (RFC 6066, 3)."""
    if not value.isascii() or value.startswith(b"["):
        return None
    try:
        name = normalise_host(value.decode("ascii"))
    except ValueError:
        return None
    return None if _DIGITS_AND_DOTS.fullmatch(name) else name


def _parse_ssl(value: bytes | None) -> tuple[bytes | None, str, str]:
    """The client's certificate, version and cipher."""
    if value is None:
        return None, "", ""
    if len(value) < _SSL.size:
        raise ProxyHeaderError("the field about TLS of the PROXY header is too short")
    client, _ = _SSL.unpack_from(value)  # and whether it could be verified, which a self-signed one can't
    fields: dict[int, bytes] = {}
    for kind, _, content in _split_fields(value, _SSL.size):
        fields.setdefault(kind, content)
    if not client & _Client.SSL:
        return None, "", ""
    has_certificate = bool(client & (_Client.CERT_CONN | _Client.CERT_SESS))
    return (
        (fields.get(_Type.SSL_CLIENT_CERT) or None) if has_certificate else None,
        _parse_plain(fields.get(_Type.SSL_VERSION, b"").replace(_GO_VERSION, b"TLSv1.")),
        _parse_plain(fields.get(_Type.SSL_CIPHER, b"")),
    )


def _parse_plain(value: bytes) -> str:
    return value.decode("ascii") if _PLAIN.fullmatch(value) else ""


def _parse_hops(value: bytes) -> int:
    is_ours = value.startswith(_HOPS_MAGIC) and len(value) == len(_HOPS_MAGIC) + 1
    return value[-1] if is_ours else 0


def encode_v2(
    source: Endpoint, destination: Endpoint, *, server_name: str | None = None, hops: int | None = None
) -> bytes:
    """The header for a connection, with a checksum. `hops` is 0 to 255.

    Where an end is a unix socket the family is unspecified, as the specification asks for what is not supported: LOCAL
    would say that the connection is the proxy's own, and then receivers skip the fields too. Raises ValueError for what
    is no address.
    """
    pair = parse_pair(source, destination)
    family, body = _UNSPECIFIED, b""
    if pair is not None:
        family = _FAMILIES[pair[0].version]
        body = _STREAMS[family].pack(pair[0].packed, pair[1].packed, source.port, destination.port)
    if server_name is not None:
        body += _encode_field(_Type.AUTHORITY, server_name.encode("ascii"))
    if hops is not None:
        body += _encode_field(_Type.HOPS, _HOPS_MAGIC + bytes((hops,)))
    body += _encode_field(_Type.CRC32C, bytes(4))
    header = _PREFIX.pack(SIGNATURE, _VERSION | _Command.PROXY, family, len(body)) + body
    return header[:-4] + crc32c(header).to_bytes(4, "big")


def _encode_field(kind: _Type, value: bytes) -> bytes:
    return _FIELD.pack(kind, len(value)) + value
