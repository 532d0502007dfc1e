"""SCGI, as a worker asks an application by it."""

from collections.abc import Mapping

from gemd.protocol.scgi import encode_scgi_request
from gemd.responders.gateway.codec import RequestBody


class SCGICodec:
    """An answer is complete when the application closes: that it broke off is told by a reset alone."""

    has_more = False

    def __init__(self, params: Mapping[bytes, bytes], upload: RequestBody | None = None) -> None:
        self._request = encode_scgi_request(params, upload.size if upload is not None else 0)
        self._upload = upload
        self.is_complete = False

    def take(self) -> bytes:
        """All of the request, once."""
        request, self._request = self._request, b""
        return request

    def take_upload(self) -> bytes:
        """The next of it. Raises CodecError."""
        return self._upload.take() if self._upload is not None else b""

    def feed(self, data: bytes) -> bytes:
        """All that comes is the answer."""
        return data

    def end(self) -> None:
        """The application has closed."""
        self.is_complete = True

    def complaints(self) -> bytes:
        """SCGI has no place for them."""
        return b""
