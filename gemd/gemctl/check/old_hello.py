"""A TLS handshake as old clients begin it, and whether a server goes along with it.

Rule: octets in and out alone: the machine's TLS library need not have the old version.
"""

import os

_TLS_1_1 = b"\x03\x02"
_HANDSHAKE, _SERVER_HELLO = 22, 2
# By ECDHE and RSA with AES and SHA-1, as there were then.
_SUITES = bytes.fromhex("c009 c00a c013 c014 002f 0035")


def write_old_hello(name: str) -> bytes:
    """A ClientHello of TLS 1.1 that asks for the host `name`, or for none if it is empty (RFC 4346, 7.4.1.2)."""
    host = name.encode()
    extensions = b""
    if host:
        entry = b"\0" + _sized(host, 2)
        extensions += b"\0\0" + _sized(_sized(entry, 2), 2)  # server_name
    extensions += b"\0\x0a" + _sized(_sized(bytes.fromhex("0017 0018 0019"), 2), 2)  # the usual curves
    extensions += b"\0\x0b" + _sized(_sized(b"\0", 1), 2)  # their points uncompressed
    hello = _TLS_1_1 + os.urandom(32) + b"\0" + _sized(_SUITES, 2) + b"\x01\0" + _sized(extensions, 2)
    message = b"\x01" + _sized(hello, 3)
    return bytes([_HANDSHAKE, 3, 1]) + _sized(message, 2)


def is_accepted(answer: bytes) -> bool:
    """Whether an answer that begins so is a ServerHello of TLS 1.1 or 1.0, and no alert."""
    return len(answer) > 10 and answer[0] == _HANDSHAKE and answer[5] == _SERVER_HELLO and answer[9:11] <= _TLS_1_1


def _sized(octets: bytes, size: int) -> bytes:
    """With their number in front, in so many octets."""
    return len(octets).to_bytes(size, "big") + octets
