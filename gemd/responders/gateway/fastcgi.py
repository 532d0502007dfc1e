"""FastCGI, as a worker asks an application by it (FastCGI 1.0, responder role)."""

from collections.abc import Mapping

from gemd.protocol.fastcgi import (
    AnswerReader,
    FastCGIError,
    ProtocolStatus,
    RecordType,
    encode_record,
    encode_request,
    encode_stream,
)
from gemd.responders.gateway.codec import CodecError, RequestBody

_MAX_RECORDS = 256  # that are looked at in one go: an application may write each octet as one
_REFUSALS: dict[int, str] = {
    ProtocolStatus.CANT_MULTIPLEX: "takes no other request on this connection",
    ProtocolStatus.OVERLOADED: "is overloaded",
    ProtocolStatus.UNKNOWN_ROLE: "is no responder",
}


class FastCGICodec:
    """Only END_REQUEST makes an answer complete; a status of the application's own does not spoil it."""

    def __init__(self, params: Mapping[bytes, bytes], upload: RequestBody | None = None) -> None:
        self._request = encode_request(params, has_body=upload is not None)
        self._upload = upload
        self._reader = AnswerReader()
        self._has_output = False

    @property
    def is_complete(self) -> bool:
        """Whether the application has said so."""
        return self._reader.end is not None

    @property
    def has_more(self) -> bool:
        """Whether there are more records than were looked at in one go."""
        return self._reader.has_more

    def take(self) -> bytes:
        """All of the request, once."""
        request, self._request = self._request, b""
        return request

    def take_upload(self) -> bytes:
        """The next of it, and its end once. Raises CodecError."""
        if self._upload is None:
            return b""
        records = encode_stream(RecordType.STDIN, self._upload.take())
        if self._upload.is_over:
            self._upload = None
            records += encode_record(RecordType.STDIN)
        return records

    def feed(self, data: bytes) -> bytes:
        """What is new of its standard output. Raises CodecError."""
        try:
            output = self._reader.feed(data, max_records=_MAX_RECORDS)
        except FastCGIError as error:
            raise CodecError(f"does not speak FastCGI: {error}") from None
        self._has_output |= bool(output)
        end = self._reader.end
        if end is not None and end.protocol_status != ProtocolStatus.REQUEST_COMPLETE:
            refusal = _REFUSALS.get(
                end.protocol_status, f"ended with the unknown protocol status {end.protocol_status}"
            )
            raise CodecError(refusal)
        if end is not None and not self._has_output:
            raise CodecError("said nothing" + (f" and ended with {end.app_status}" if end.app_status else ""))
        return output

    def end(self) -> None:
        """The application has closed. Raises CodecError before its last record."""
        if not self.is_complete:
            raise CodecError("closed before its answer ended")

    def complaints(self) -> bytes:
        """What came of its standard error, and its status unless that is 0."""
        end = self._reader.end
        status = end.app_status if end is not None and self._has_output else 0
        return self._reader.errors + (b"\nEND_REQUEST with the status %d" % status if status else b"")
