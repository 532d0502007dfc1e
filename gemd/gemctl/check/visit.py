"""One connection to the server that is checked: what is sent, what comes back, and how it ends.

Rules: the certificate is never judged here; an answer is read as far as is wanted and until a deadline, whatever the
server does; an answer 44, or an end before the handshake, is waited for and the request made again.
"""

import enum
import functools
import re
import socket
import ssl

import msgspec

from gemd.gemctl.check.pace import MOST_TRIES, Pace
from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import GeminiConnection, Header, NoHandshake, build_client_context, parse_header_line
from gemd.gemctl.terminal import escape
from gemd.protocol.host import bracket, place
from gemd.protocol.response import MAX_META
from gemd.protocol.status import Status
from gemd.protocol.url import DEFAULT_PORT
from gemd.system.certificate_facts import CertificateFacts, parse_facts
from gemd.system.certificates import CertificateError
from gemd.system.deadline import Deadline

MISSING = "/gemctl-check-finds-nothing-here"  # a path that leads nowhere
UNKNOWN = "gemctl-check.invalid"  # a host that nobody has (RFC 6761, 6.4)
MOST_READ = 1024 * 1024  # bytes
_MOST_HEADER = 3 + MAX_META + 2
_MOST_CONNECTS = 3  # for one that is closed before its handshake
_BLANKS = re.compile(r"\s+")


class SlowedDown(Exception):
    """Whoever asks is told to slow down each time, so that nobody knows what the answer would be."""


class Subject(msgspec.Struct, frozen=True):
    """Who is checked: a host, the port and the first path of its URLs, and the addresses where it is found, the first
    of which is looked at closely. `exempt` are checks that its configuration makes pointless, with the reason;
    `patience` is how long it may wait for a request, in seconds; `is_own` says that its robots.txt is not for us."""

    host: str
    port: int
    path: str
    addresses: tuple[tuple[str, int], ...]
    exempt: dict[str, str]
    patience: float
    is_own: bool

    def url(self, path: str = "/") -> str:
        """That of a path, or of what is no path."""
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"gemini://{bracket(self.host)}{port}{path}"

    @property
    def place(self) -> str:
        """ "host:port"."""
        return place(self.host, self.port)


class ReplyEnd(enum.Enum):
    """How a response ended."""

    PROPER = "with close_notify"
    CUT = "without close_notify"
    LATE = "not at all while it was waited for"
    LONG = "later than it was read"


class Reply(msgspec.Struct, frozen=True):
    """What came. Without a `header`, `body` is all of it."""

    header: Header | None
    body: bytes
    ending: ReplyEnd

    @property
    def status(self) -> int:
        """0 where there is none."""
        return self.header.status if self.header is not None else 0

    def say(self) -> str:
        """In a few words."""
        if self.header is not None:
            return f'"{_shorten(f"{self.header.status} {self.header.meta}".rstrip())}"'
        is_late = self.ending is ReplyEnd.LATE
        if not self.body:
            return "no answer" if is_late else "no answer, and an end of the connection"
        came = f'no Gemini header, but "{_shorten(self.body[:80].decode("utf-8", "backslashreplace"))}"'
        return f"{came}, and no more while it was waited for" if is_late else came


class Visitor:
    """Visits a server at one of its addresses; `first` is who visits it at the address that is looked at closely."""

    def __init__(
        self, subject: Subject, address: tuple[str, int], pace: Pace, timeout: float, first: "Visitor | None" = None
    ) -> None:
        self.subject, self.address, self.first = subject, address, first
        self.pace = pace
        self._timeout = timeout
        self._is_slowed = False

    @property
    def where(self) -> str:
        """The host, and the address."""
        return f"{self.subject.place} at {place(*self.address)}"

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        """What clients usually offer."""
        return build_client_context(None, None)

    @functools.cached_property
    def facts(self) -> CertificateFacts:
        """The certificate that is shown for the host. Raises Failure."""
        with self.connect() as connection:
            try:
                return parse_facts(connection.certificate)
            except CertificateError as error:
                raise Failure(str(error)) from None

    @functools.cached_property
    def start_page(self) -> Reply:
        """The answer for the page that the check begins with. Raises Failure and SlowedDown."""
        return self.ask(self.subject.url(self.subject.path))

    def connect(self, context: ssl.SSLContext | None = None, name: str | None = "") -> GeminiConnection:
        """A connection after its handshake, in which `name` is asked for: "" is the host's, None is none. Raises
        Failure."""
        asked = self.subject.host if name == "" else name
        for tries in range(_MOST_CONNECTS - 1):
            try:
                return self._connect(context, asked)
            except NoHandshake:
                self.pace.make_room(tries)
        return self._connect(context, asked)

    def _connect(self, context: ssl.SSLContext | None, asked: str | None) -> GeminiConnection:
        self.pace.step()
        return GeminiConnection(self.address, asked, context or self.context, self.pace.limit(self._timeout))

    def dial(self) -> socket.socket:
        """A connection without TLS. Raises Failure."""
        self.pace.step()
        try:
            return socket.create_connection(self.address, self.pace.limit(self._timeout))
        except OSError as error:
            raise Failure(f"can't connect to {place(*self.address)}: {error.strerror or error}") from None

    def ask(
        self,
        url: str | bytes,
        *,
        context: ssl.SSLContext | None = None,
        name: str | None = "",
        most: int = MOST_READ,
    ) -> Reply:
        """The answer to a request line without its end, which may be no URL, and about `most` bytes of what follows.
        Raises Failure without a connection, and SlowedDown."""
        line = url if isinstance(url, bytes) else url.encode("utf-8", "surrogateescape")
        return self.send(line + b"\r\n", context=context, name=name, most=most)

    def send(
        self, octets: bytes, *, context: ssl.SSLContext | None = None, name: str | None = "", most: int = MOST_READ
    ) -> Reply:
        """What comes back for these octets. Raises Failure without a connection, and SlowedDown."""
        for tries in range(1 if self._is_slowed else MOST_TRIES):
            reply = self._send_once(octets, context, name, most)
            if reply.status != Status.SLOW_DOWN or reply.header is None:
                self._is_slowed = False
                return reply
            self.pace.slow_down(reply.header.meta, tries)
        self._is_slowed = True
        raise SlowedDown(f"it got {reply.say()} each time, so nobody knows")

    def _send_once(self, octets: bytes, context: ssl.SSLContext | None, name: str | None, most: int) -> Reply:
        with self.connect(context, name) as connection:
            deadline = Deadline(self.pace.limit(self._timeout))
            try:
                connection.tls.settimeout(deadline.remaining())
                connection.tls.sendall(octets)
            except OSError:
                pass  # it may have said why, and closed
            return read_reply(connection.tls, deadline, most)


def read_reply(sock: socket.socket, deadline: Deadline, most: int = MOST_READ) -> Reply:
    """What comes until the end, the deadline, or as much as was wanted, a header at least."""
    octets, ending = bytearray(), ReplyEnd.LONG
    while len(octets) < max(most, _MOST_HEADER):
        remaining = deadline.remaining()
        if not remaining:
            ending = ReplyEnd.LATE
            break
        sock.settimeout(remaining)
        try:
            piece = sock.recv(65536)
        except TimeoutError:
            ending = ReplyEnd.LATE
            break
        except OSError:
            ending = ReplyEnd.CUT
            break
        if not piece:
            ending = ReplyEnd.PROPER
            break
        octets += piece
    line, end, body = bytes(octets).partition(b"\r\n")
    header = parse_header_line(line) if end else None
    return Reply(header, body if header is not None else bytes(octets), ending)


def _shorten(text: str) -> str:
    shown = escape(_BLANKS.sub(" ", text))
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
