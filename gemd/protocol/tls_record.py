"""TLS as a stream of records (RFC 8446, 5.1), so that it is known how many of them are handed to OpenSSL.

Rule: nothing is judged here; what is no record is handed over as it is, for OpenSSL to say what is wrong with it.
"""

_HEADER = 5  # bytes: the type, the version, the length
_TYPES = range(20, 25)  # change_cipher_spec to heartbeat
_MAJOR_VERSION = 3
_MAX_LENGTH = 16 * 1024 + 2048  # RFC 5246, 6.2.3


class RecordStream:
    """What a peer has sent: fed as it comes, taken record by record."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """What has come."""
        self._data = self._data[self._at :] + data
        self._at = 0

    @property
    def has_record(self) -> bool:
        """Whether there is one to take."""
        return self._find_end() > self._at

    def take(self) -> bytes:
        """The next record, b"" while it is not there in full."""
        start, self._at = self._at, self._find_end()
        return self._data[start : self._at]

    def _find_end(self) -> int:
        data, at = self._data, self._at
        rest = len(data) - at
        if rest < _HEADER:
            return at
        length = int.from_bytes(data[at + 3 : at + _HEADER], "big")
        if data[at] not in _TYPES or data[at + 1] != _MAJOR_VERSION or length > _MAX_LENGTH:
            return len(data)
        return at + _HEADER + length if rest >= _HEADER + length else at
