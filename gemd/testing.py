"""For the tests of applications: a client that asks one without a socket, and gets what the daemon would send.

Rule: the environ, the call and its checks are the daemon's own code; only threads and TLS are left out.
"""

import datetime
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import msgspec

from gemd.app.inline import InlineThreads
from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, ProxyRefused
from gemd.protocol.peer import ClientCertificate, Peer
from gemd.protocol.request import Request, RequestReader
from gemd.protocol.response import BrokenBody, error_response
from gemd.protocol.status import is_redirect
from gemd.protocol.titan import parse_upload, without_parameters
from gemd.protocol.upload import UploadBody
from gemd.protocol.url import DEFAULT_PORT, resolve
from gemd.responders.app.call import Call
from gemd.responders.app.contract import App
from gemd.responders.app.environ import build_app_environ
from gemd.system.client_certificates import make_client_certificate

_DAY = datetime.timedelta(days=1)
_MAX_REDIRECTS = 5


class Answer(msgspec.Struct, frozen=True):
    """What a client gets: `status`, `meta` and `body`; `url` is the one that was asked for last.

    `is_complete` is False when the body broke off. `error` is what the application raised, if anything: a client is
    told no more than 42 of it, and the daemon writes it to its error log.
    """

    status: int
    meta: str
    body: bytes
    url: str
    is_complete: bool = True
    error: BaseException | None = None

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises UnicodeDecodeError."""
        return self.body.decode()


class _TLS(msgspec.Struct, frozen=True):
    """What a handshake might have settled."""

    client_certificate: ClientCertificate | None
    server_name: str
    version: str = "TLSv1.3"
    cipher: str = "TLS_AES_128_GCM_SHA256"

    @property
    def client_chain(self) -> tuple[bytes, ...]:
        return (self.client_certificate.der,) if self.client_certificate is not None else ()


class Client:
    """Asks one application, as if it were mounted at `location` of a daemon that listens on `port`.

    Not where an event loop runs: a test that is a coroutine uses it by `asyncio.to_thread`.
    """

    def __init__(
        self,
        app: App,
        *,
        port: int = DEFAULT_PORT,
        location: str = "/",
        seconds: float = 60.0,
        schemes: Collection[str] = ("gemini",),
    ) -> None:
        """`seconds` are for each answer, as `timeouts.app` is; code that does not come back is not ended by it. URLs of
        `schemes` reach the application, as with the location's key."""
        self._app = app
        self._port = port
        self._location = location
        self._seconds = seconds
        self._schemes = schemes

    def get(
        self,
        path: str,
        *,
        query: str | None = None,
        host: str = "localhost",
        client_certificate: ClientCertificate | None = None,
        remote_addr: str = "127.0.0.1",
        follow_redirects: bool = False,
        most_bytes: int | None = None,
    ) -> Answer:
        """Ask for a path at `host`, or for a whole URL, percent-encoded as on the wire; `query`, if given, is encoded
        and put behind it, as clients do with what was typed in.

        A client that has `most_bytes` of the body, or more, leaves. At most 5 redirects are followed, and none to
        another scheme.
        """
        url = f"gemini://{host}{path}" if path.startswith("/") else path
        if query is not None:
            url = f"{url.partition('?')[0]}?{quote(query, safe='')}"
        for _ in range(_MAX_REDIRECTS):
            answer = self._ask(url, client_certificate, remote_addr, most_bytes)
            if not (follow_redirects and is_redirect(answer.status)):
                break
            target = resolve(url, answer.meta)
            if not target.startswith("gemini:"):
                break
            url = target
        return answer

    def put(
        self,
        path: str,
        body: bytes = b"",
        *,
        media_type: str = "text/gemini",
        token: str | None = None,
        host: str = "localhost",
        client_certificate: ClientCertificate | None = None,
        remote_addr: str = "127.0.0.1",
    ) -> Answer:
        """Upload a body by Titan to a path, as `get` has it; one of no bytes asks for a deletion. What a `titan` table
        refuses is not refused here."""
        said = f";size={len(body)};mime={quote(media_type)}" + (f";token={quote(token, safe='')}" if token else "")
        return self._ask(_add_parameters(path, host, said), client_certificate, remote_addr, None, body)

    def edit(
        self,
        path: str,
        *,
        host: str = "localhost",
        client_certificate: ClientCertificate | None = None,
        remote_addr: str = "127.0.0.1",
    ) -> Answer:
        """Ask for the text at a path that is to be edited, as clients do before they upload it."""
        return self._ask(_add_parameters(path, host, ";edit"), client_certificate, remote_addr, None, b"")

    def _ask(
        self,
        url: str,
        certificate: ClientCertificate | None,
        address: str,
        most: int | None,
        body: bytes | None = None,
    ) -> Answer:
        tls = _TLS(certificate, "localhost")
        peer = Peer(address, 49152, "127.0.0.1", self._port, tls)
        try:
            request = RequestReader(peer).feed(url.encode("utf-8", "surrogateescape") + b"\r\n")
            assert request is not None
            if body is not None:
                request = Request(without_parameters(request.url), peer, parse_upload(request.url.parameters))
            elif request.url.scheme not in self._schemes:
                raise ProxyRefused("This scheme is not served here")
        except GeminiError as refusal:
            return Answer(refusal.status, refusal.meta, b"", url)
        location = Location(path=self._location, host=request.url.host)
        threads = InlineThreads(getattr(self._app, "__name__", type(self._app).__name__))
        with _uploaded(request, body) as whole:
            environ = build_app_environ(whole, location, None)
        call = Call(threads, self._app, request.url, environ, self._seconds)
        try:
            threads.begin(call)
            return _take(call, url, most)
        finally:
            call.close()


def _add_parameters(path: str, host: str, parameters: str) -> str:
    url, mark, query = (f"titan://{host}{path}" if path.startswith("/") else path).partition("?")
    return url + parameters + mark + query


@contextmanager
def _uploaded(request: Request, body: bytes | None) -> Iterator[Request]:
    """The request with its body."""
    if not body:
        yield request
        return
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        file.seek(0)
        assert request.upload is not None
        upload = msgspec.structs.replace(request.upload, body=UploadBody(file.fileno(), len(body)))
        yield msgspec.structs.replace(request, upload=upload)


def _take(call: Call, url: str, most: int | None) -> Answer:
    """What a client gets of a call that has begun."""
    try:
        response = call.settle()
    except GeminiError as refusal:
        response = error_response(refusal)
    assert response is not None  # all of its code has run, up to its first byte
    body, is_complete = bytearray(), True
    if isinstance(response.body, bytes):
        body += response.body
    else:
        try:
            while (chunk := response.body.read()) != b"":
                body += chunk or b""
                if most is not None and len(body) >= most:
                    is_complete = False
                    break
        except BrokenBody:
            is_complete = False
    return Answer(response.status, response.meta, bytes(body), url, is_complete, call.error)


def make_certificate(common_name: str = "Alice", *, days: int = 365) -> ClientCertificate:
    """A new self-signed client certificate, valid since yesterday for so many days; negative ones: it was, until then.

    Its `fingerprint` is what identifies a client: TLS_CLIENT_HASH is "SHA256:" and that in upper case.
    """
    now = datetime.datetime.now(datetime.UTC)
    start, end = (now - _DAY, now + days * _DAY) if days >= 0 else (now + (days - 1) * _DAY, now + days * _DAY)
    return make_client_certificate(common_name, start, end)
