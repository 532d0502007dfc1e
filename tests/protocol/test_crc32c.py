"""CRC-32C: the check value that everybody has for it, and those of RFC 3720, B.4."""

import pytest

from gemd.protocol.crc32c import crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums(data, checksum):
    assert crc32c(data) == checksum
