"""Requests without a connection, and what is answered to them."""

from dataclasses import dataclass

from gemd.protocol.errors import GeminiError
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.response import Response, encode_header, error_response
from gemd.protocol.url import parse_url
from tests.support.pump import Pump


@dataclass(frozen=True, eq=False)
class TLSOf:
    """What a handshake might have settled."""

    server_name: str | None = None
    client_certificate: object = None
    client_chain: tuple = ()
    version: str = "TLSv1.3"
    cipher: str = "TLS_AES_128_GCM_SHA256"


@dataclass(frozen=True)
class Answer:
    status: int
    meta: str
    body: bytes


def peer(*, address="192.0.2.1", local_address="192.0.2.9", local_port=1965, **tls):
    return Peer(address, 50000, local_address, local_port, TLSOf(**tls))


def request(url, asker=None, upload=None):
    """A request for a URL, or for a path at the host h."""
    text = f"gemini://h{url}" if url.startswith("/") else url
    return Request(parse_url(text.encode("utf-8", "surrogateescape")), asker or peer(), upload)


def settle(find_answer):
    """The answer in full, its header checked and its body read and closed; None where it is declined."""
    with Pump() as pump:
        try:
            answer = find_answer()
            if answer is None:
                return None
            response = answer if isinstance(answer, Response) else pump.settle(answer)
        except GeminiError as error:
            response = error_response(error)
        assert isinstance(response, Response)
        assert encode_header(response.status, response.meta)
        body = response.body
        if not isinstance(body, bytes):
            if body is not pump.settled:  # which has begun
                body.begin(pump)
            body = pump.read(body)
    return Answer(int(response.status), response.meta, body)
