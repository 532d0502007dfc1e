"""SCGI, as a worker asks an application by it."""

from collections.abc import Mapping

from gemd.protocol.scgi import encode_scgi_request


class SCGICodec:
    """An answer is complete when the application closes: that it broke off is told by a reset alone."""

    has_more = False

    def __init__(self, params: Mapping[bytes, bytes]) -> None:
        self._request = encode_scgi_request(params)
        self.is_complete = False

    def take(self) -> bytes:
        """All of the request, once."""
        request, self._request = self._request, b""
        return request

    def feed(self, data: bytes) -> bytes:
        """All that comes is the answer."""
        return data

    def end(self) -> None:
        """The application has closed."""
        self.is_complete = True

    def complaints(self) -> bytes:
        """SCGI has no place for them."""
        return b""
