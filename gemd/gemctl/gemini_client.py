"""The client's side of one Gemini connection (specification 0.24.1).

Rules: TLS 1.2 or later; the server's certificate is never judged here; an end without close_notify is told from one
with it. Connect, handshake and header share one deadline; each piece of the body has as long again.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gemd.gemctl.failure import Failure
from gemd.gemctl.terminal import escape
from gemd.protocol.host import place
from gemd.protocol.response import MAX_META
from gemd.system.deadline import Deadline

_MAX_HEADER = 3 + MAX_META + 2
_HEADER = re.compile(r"(?P<status>[1-6][0-9])(?: (?P<meta>.*))?", re.DOTALL)


class Header(msgspec.Struct, frozen=True):
    """The first line of a response. `meta` is as it came: escape it before it is printed."""

    status: int
    meta: str


class NoHandshake(Failure):
    """The server closed a connection before TLS was there, as who has enough connections or handshakes does."""


class Truncated(Failure):
    """The response ended without close_notify: nobody can tell whether it is whole."""


def build_client_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """A context for one client. Raises Failure for a client certificate that can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python has OpenSSL take any end for a proper one.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            advice = "; is its key in a file of its own, for --key?" if key is None else ""
            raise Failure(f"{certificate} can't be used as a client certificate: {say_reason(error)}{advice}") from None
        except OSError as error:
            raise Failure(f"{certificate} or its key can't be read: {error.strerror}") from None
    return context


class GeminiConnection:
    """A connection whose handshake is done; a context manager that closes it. `tls` is its socket, `place` how it is
    called, and `timeout` what each step may take, in seconds."""

    def __init__(
        self, address: tuple[str, int], server_name: str | None, context: ssl.SSLContext, timeout: float
    ) -> None:
        """Connect to `address`, and ask for `server_name` if there is one that is no IP address. Raises Failure."""
        self.timeout = timeout
        self._deadline = Deadline(timeout)
        self._rest = b""
        self.place = place(*address)
        try:
            plain = socket.create_connection(address, timeout)
        except (TimeoutError, ConnectionError, UnicodeError, OSError) as error:
            raise Failure(f"can't connect to {self.place}: {say_reason(error)}") from None
        try:
            self._arm(plain)
            self.tls = context.wrap_socket(plain, server_hostname=server_name, suppress_ragged_eofs=False)
        except (OSError, ValueError) as error:
            plain.close()
            kind = NoHandshake if isinstance(error, OSError) and is_cut(error) else Failure
            raise kind(f"no TLS with {self.place}: {say_reason(error)}") from None

    def __enter__(self) -> "GeminiConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.tls.close()

    @property
    def certificate(self) -> bytes:
        """The server's certificate in DER."""
        der = self.tls.getpeercert(binary_form=True)
        assert der is not None  # no suite without a certificate is on offer
        return der

    @property
    def protocol(self) -> str:
        """Version and cipher suite, as OpenSSL names them."""
        cipher = self.tls.cipher()
        return f"{self.tls.version()}, {cipher[0] if cipher else 'no cipher'}"

    def request(self, url: str) -> Header:
        """Send the request line and read the header. Raises Failure for what is none."""
        self.send_line(url)
        return self.read_header()

    def send_line(self, url: str) -> None:
        """Send the request line. Raises Failure."""
        try:
            self._arm(self.tls)
            self.tls.sendall(f"{url}\r\n".encode())
        except OSError as error:
            raise Failure(f"{self.place} took no request: {say_reason(error)}") from None

    def read_header(self, data: bytes = b"") -> Header:
        """Read the header, of which `data` has come already. Raises Failure for what is none."""
        while b"\r\n" not in data and len(data) <= _MAX_HEADER:
            self._arm(self.tls)
            chunk = self._receive(len(data))
            if not chunk:
                break
            data += chunk
        line, end, self._rest = data.partition(b"\r\n")
        header = parse_header_line(line) if end else None
        if header is None:
            shown = escape(data[:80].decode("utf-8", "backslashreplace"))
            raise Failure(f"{self.place} sent no Gemini header, but {len(data)} bytes: {shown}")
        return header

    def body(self) -> Iterator[bytes]:
        """What follows the header, piece by piece. Raises Truncated where it breaks off."""
        size = len(self._rest)
        if self._rest:
            yield self._rest
        while True:
            self.tls.settimeout(self.timeout)
            chunk = self._receive(size)
            if not chunk:
                return
            size += len(chunk)
            yield chunk

    def _receive(self, so_far: int) -> bytes:
        try:
            return self.tls.recv(65536)
        except TimeoutError:
            raise Failure(f"nothing more came for {self.timeout:g} s, after {so_far} bytes of the response") from None
        except OSError as error:
            if is_cut(error):
                text = f"the connection broke off after {so_far} bytes of the response, without close_notify"
                raise Truncated(text) from None
            raise Failure(f"{self.place} broke off: {say_reason(error)}") from None

    def start_anew(self) -> None:
        """Give the next step as long as the first had."""
        self._deadline = Deadline(self.timeout)

    def _arm(self, sock: socket.socket) -> None:
        """Let the next call wait until the deadline."""
        remaining = self._deadline.remaining()
        if not remaining:
            raise Failure(f"{self.place} took longer than {self.timeout:g} s")
        sock.settimeout(remaining)


def parse_header_line(line: bytes) -> Header | None:
    """The first line of a response without its CRLF; None for what is no header."""
    match = _HEADER.fullmatch(line.decode("utf-8", "surrogateescape"))
    if len(line) > _MAX_HEADER - 2 or match is None:
        return None
    return Header(int(match["status"]), match["meta"] or "")


def is_cut(error: OSError) -> bool:
    """Whether the connection ended without close_notify. Early releases of Python 3.11 have no exception for that."""
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        return True
    return isinstance(error, ssl.SSLError) and error.reason == "UNEXPECTED_EOF_WHILE_READING"


def say_reason(error: OSError | ValueError) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
