"""A TLS ClientHello, read for the name of the host that it asks for: octets to a value, without input or output.

Rules: nothing is guessed: what RFC 8446 (4.1.2, 5.1), RFC 5246 (7.4.1.2) or RFC 6066 (3) do not allow raises. A hello
is bounded in bytes and in records, so that a client which sends it byte by byte costs little each time.
"""

from struct import Struct
from typing import NamedTuple

from gemd.protocol.host import is_address

HANDSHAKE = 22  # the content type of a record: the first octet of a client that speaks TLS
MAX_HELLO = 16 * 1024  # bytes of the message, its header included
_MAX_RECORDS = 64  # that it is spread over: no client needs more than a few
_HEADER = 5  # bytes before a record's content
_CLIENT_HELLO = 1  # the type of a handshake message
_MAJOR_VERSION = 3  # of all versions of TLS, in a record and in a hello, whatever the minor one
_MAX_FRAGMENT = 1 << 14
_SERVER_NAME = 0  # an extension
_HOST_NAME = 0  # a type of name
_MAX_NAME = 255  # RFC 1035, 2.3.4, as OpenSSL has it
_EXTENSION = Struct(">HH")  # its type, and how many bytes follow
_TOO_LONG = "a field of the ClientHello is longer than what it is in"


class ClientHelloError(ValueError):
    """What came is no ClientHello; the text says why, in words fit for a log line."""


class ClientHello(NamedTuple):
    """`server_name` is the host that is asked for, as sent; None where none is, and for an address, which is no name
    (RFC 6066, 3)."""

    server_name: bytes | None


class _Reader:
    """Takes the fields of a structure one after the other (RFC 8446, 3)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ClientHelloError(_TOO_LONG)
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, length_size: int, least: int = 0, most: int = MAX_HELLO) -> bytes:
        """A field behind its length, which has these limits."""
        length = self.number(length_size)
        if not least <= length <= most:
            raise ClientHelloError(f"a field of the ClientHello has {length} bytes and not {least} to {most}")
        return self.take(length)


def parse_client_hello(data: bytes) -> ClientHello | None:
    """The hello with which a client's bytes begin, whatever follows its last record; None when more bytes are needed.
    Raises ClientHelloError."""
    message = _join_records(data)
    return _parse_message(message) if message is not None else None


def _join_records(data: bytes) -> bytes | None:
    """The message that is spread over the first records (RFC 8446, 5.1); None when more bytes are needed."""
    message, size, at = b"", 4, 0
    for _ in range(_MAX_RECORDS):
        header = data[at : at + _HEADER]
        if header and header[0] != HANDSHAKE:
            raise ClientHelloError("a record of another kind is where a ClientHello should be")
        if len(header) > 1 and header[1] != _MAJOR_VERSION:
            raise ClientHelloError("a record has a version that is none of TLS")
        if len(header) < _HEADER:
            return None
        length = int.from_bytes(header[3:])
        if not 0 < length <= _MAX_FRAGMENT:
            raise ClientHelloError(f"a handshake record has {length} bytes")
        at += _HEADER
        message += data[at : at + length]
        if len(message) >= 4:
            size = _find_size(message)
        elif message and message[0] != _CLIENT_HELLO:
            raise ClientHelloError("the first handshake message is no ClientHello")
        if len(data) < at + length:
            return None
        if len(message) > size:
            raise ClientHelloError("more than a ClientHello is in its records")
        if len(message) == size > 4:
            return message
        at += length
    raise ClientHelloError(f"the ClientHello is spread over more than {_MAX_RECORDS} records")


def _find_size(message: bytes) -> int:
    """How many bytes a message has to have that begins so, with its header."""
    if message[0] != _CLIENT_HELLO:
        raise ClientHelloError("the first handshake message is no ClientHello")
    size = 4 + int.from_bytes(message[1:4])
    if not 4 < size <= MAX_HELLO:
        raise ClientHelloError(f"the ClientHello has {size} bytes")
    return size


def _parse_message(message: bytes) -> ClientHello:
    hello = _Reader(message[4:])
    if hello.number(1) != _MAJOR_VERSION:
        raise ClientHelloError("the ClientHello has a version that is none of TLS")
    hello.take(1 + 32)  # the minor version, and random
    hello.vector(1, most=32)  # legacy_session_id
    if len(hello.vector(2, least=2)) % 2:
        raise ClientHelloError("cipher_suites has an odd length")
    if 0 not in hello.vector(1, least=1):
        raise ClientHelloError("legacy_compression_methods has no null")
    if hello.is_empty:  # as before TLS 1.3
        return ClientHello(None)
    extensions = hello.vector(2)
    if not hello.is_empty:
        raise ClientHelloError("something follows the extensions")
    return ClientHello(_find_server_name(extensions))


def _find_server_name(extensions: bytes) -> bytes | None:
    """There are a dozen or more of them: by their places, as a reader would cost as much as all the rest."""
    name: bytes | None = None
    seen: set[int] = set()
    at, end = 0, len(extensions)
    while at < end:
        if end - at < _EXTENSION.size:
            raise ClientHelloError(_TOO_LONG)
        kind, size = _EXTENSION.unpack_from(extensions, at)
        at += _EXTENSION.size + size
        if at > end:
            raise ClientHelloError(_TOO_LONG)
        if kind in seen:
            raise ClientHelloError(f"the extension {kind} is there twice")
        seen.add(kind)
        if kind == _SERVER_NAME:
            name = extensions[at - size : at]
    return _parse_server_name(name) if name is not None else None


def _parse_server_name(data: bytes) -> bytes | None:
    """RFC 6066, 3. A second name would be of the same type, since there is no other."""
    extension = _Reader(data)
    names = _Reader(extension.vector(2, least=1))
    kind = names.number(1)
    name = names.vector(2, least=1, most=_MAX_NAME)
    if kind != _HOST_NAME or not names.is_empty or not extension.is_empty:
        raise ClientHelloError("server_name has more than one host name, or none")
    if 0 in name or not name.isascii():
        raise ClientHelloError("server_name is no host name")
    return None if is_address(name.decode()) else name
