"""FastCGI 1.0, responder role, one request a connection: octets to records and back, without input or output.

Rules: whatever comes in whatever pieces is read the same; only END_REQUEST says that an answer is complete; what can't
be FastCGI raises, and what need not be understood is skipped. Serves both sides.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

_VERSION = 1
_HEADER = struct.Struct(">BBHHBx")  # version, type, request id, length of the content, and of the padding
_BEGIN_BODY = struct.pack(">HB5x", 1, 0)  # the role of a responder, and the connection ends with the request
_END_BODY = struct.Struct(">IB3x")
_REQUEST_ID = 1
_MAX_CONTENT = 65528  # of a record: the most that needs no padding
_LONG = 1 << 31


class RecordType(IntEnum):
    """What a record is (section 8). The others are about a connection that many requests share."""

    BEGIN_REQUEST = 1
    ABORT_REQUEST = 2
    END_REQUEST = 3
    PARAMS = 4
    STDIN = 5
    STDOUT = 6
    STDERR = 7


_OF_REQUEST = frozenset(RecordType)


class ProtocolStatus(IntEnum):
    """How the application has taken a request (section 5.5)."""

    REQUEST_COMPLETE = 0
    CANT_MULTIPLEX = 1
    OVERLOADED = 2
    UNKNOWN_ROLE = 3


class FastCGIError(ValueError):
    """The other side does not keep to the protocol; the text says how."""


class Record(NamedTuple):
    """A record of the request, without its padding."""

    type: RecordType
    content: bytes


class End(NamedTuple):
    """What END_REQUEST says: an exit code, and a ProtocolStatus or another number."""

    app_status: int
    protocol_status: int


def encode_record(kind: RecordType, content: bytes = b"") -> bytes:
    """A record of at most 65,535 octets, padded to a multiple of eight."""
    padding = -len(content) % 8
    return _HEADER.pack(_VERSION, kind, _REQUEST_ID, len(content), padding) + content + bytes(padding)


def encode_stream(kind: RecordType, data: bytes) -> bytes:
    """As many records as the data of a stream need; none for none, since an empty record would end it."""
    pieces = range(0, len(data), _MAX_CONTENT)
    return b"".join(encode_record(kind, data[start : start + _MAX_CONTENT]) for start in pieces)


def encode_params(params: Mapping[bytes, bytes]) -> bytes:
    """Name-value pairs (section 3.4)."""
    return b"".join(_length(name) + _length(value) + name + value for name, value in params.items())


def _length(text: bytes) -> bytes:
    size = len(text)
    return bytes((size,)) if size < 128 else (size | _LONG).to_bytes(4, "big")


def encode_request(params: Mapping[bytes, bytes], *, has_body: bool = False) -> bytes:
    """All of a request without a body; else what comes before that, which is a stream, STDIN, with its end."""
    return (
        encode_record(RecordType.BEGIN_REQUEST, _BEGIN_BODY)
        + encode_stream(RecordType.PARAMS, encode_params(params))
        + encode_record(RecordType.PARAMS)
        + (b"" if has_body else encode_record(RecordType.STDIN))
    )


def encode_end(app_status: int = 0, protocol_status: int = ProtocolStatus.REQUEST_COMPLETE) -> bytes:
    """The last record of an answer."""
    return encode_record(RecordType.END_REQUEST, _END_BODY.pack(app_status, protocol_status))


def decode_end(content: bytes) -> End:
    """What END_REQUEST holds. Raises FastCGIError."""
    if len(content) != _END_BODY.size:
        raise FastCGIError(f"END_REQUEST has {len(content)} octets and not {_END_BODY.size}")
    return End(*_END_BODY.unpack(content))


def decode_params(data: bytes) -> dict[bytes, bytes]:
    """Name-value pairs; of two with one name the last. Raises FastCGIError for what ends in the middle of one."""
    params: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        name_size, at = _read_length(data, at)
        value_size, at = _read_length(data, at)
        value_at = at + name_size
        end = value_at + value_size
        if end > len(data):
            raise FastCGIError("a name-value pair is cut off")
        params[data[at:value_at]] = data[value_at:end]
        at = end
    return params


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    """A length, and where it ends."""
    if at < len(data) and data[at] < 128:
        return data[at], at + 1
    if at + 4 > len(data):
        raise FastCGIError("a name-value pair is cut off")
    return int.from_bytes(data[at : at + 4], "big") & ~_LONG, at + 4


class RecordReader:
    """Makes records of what comes. `has_more` where there may be some that `feed` has left for the next time."""

    def __init__(self) -> None:
        self.has_more = False
        self._data = b""

    def feed(self, data: bytes, most: float = math.inf) -> Iterator[Record]:
        """The records that are complete by now, of which `most` are looked at; they have all to be taken. Those about
        the connection are left out. Raises FastCGIError."""
        data = self._data + data
        at = count = 0
        while at + _HEADER.size <= len(data) and count < most:
            version, kind, request_id, size, padding = _HEADER.unpack_from(data, at)
            if version != _VERSION:
                raise FastCGIError(f"a record has version {version} and not {_VERSION}")
            if request_id not in (0, _REQUEST_ID):
                raise FastCGIError(f"a record has the request id {request_id} and not {_REQUEST_ID}")
            if request_id and kind not in _OF_REQUEST:
                raise FastCGIError(f"a record has the unknown type {kind}")
            start = at + _HEADER.size
            end = start + size
            if end + padding > len(data):
                break
            at = end + padding
            count += 1
            if request_id:
                yield Record(RecordType(kind), data[start:end])
        self._data = data[at:]
        self.has_more = count >= most


class ParamsReader:
    """The side that answers: takes a request without a body."""

    def __init__(self) -> None:
        self.params: dict[bytes, bytes] | None = None  # once they are complete
        self._records = RecordReader()
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> bool:
        """Whether the request is complete. Raises FastCGIError."""
        is_complete = False
        for kind, content in self._records.feed(data):
            if kind is RecordType.PARAMS and content:
                self._parts.append(content)
            elif kind is RecordType.PARAMS:
                self.params = decode_params(b"".join(self._parts))
            elif kind is RecordType.STDIN and not content:
                is_complete = self.params is not None
        return is_complete


class AnswerReader:
    """The side that asks: takes an answer. `end` is None until it is complete, and what comes after that is left,
    whatever it is."""

    def __init__(self) -> None:
        self.end: End | None = None
        self.errors = b""  # what came on its standard error, up to `max_errors` octets
        self._records = RecordReader()

    @property
    def has_more(self) -> bool:
        """Whether `feed` has left some for the next time, which need not wait until something comes."""
        return self._records.has_more and self.end is None

    def feed(self, data: bytes, max_errors: int = 65536, max_records: float = math.inf) -> bytes:
        """What is new of the body, header and all. Raises FastCGIError."""
        out: list[bytes] = []
        for kind, content in self._records.feed(data, max_records) if self.end is None else ():
            if kind is RecordType.STDOUT:
                out.append(content)
            elif kind is RecordType.STDERR:
                self.errors += content[: max(0, max_errors - len(self.errors))]
            elif kind is RecordType.END_REQUEST:
                self.end = decode_end(content)
                break
            else:
                raise FastCGIError(f"a record of type {kind.name} is no answer")
        return b"".join(out)
