"""A server that is right in all that is checked, until it is told to be wrong in something."""

import contextlib
import socket
import ssl
import threading

import pytest

from gemd.gemctl.check.pace import Pace
from gemd.gemctl.check.visit import Subject, Visitor
from gemd.protocol.errors import BadRequest
from gemd.protocol.url import parse_url
from gemd.system.certificates import certificate_paths, find_or_make
from tests.gemctl.conftest import LONGEST
from tests.support.threaded_listener import ThreadedListener

CONFUSED = b"20 text/gemini\r\n# Confused\n"
PAGES = {"/": b"20 text/gemini\r\n# A page\n"}


class CheckedServer:
    """Serves `pages`, by path. `wrong` is asked first, with the octets of a request, and `greet` with the first of a
    connection; either may have an answer of its own. `is_ended` says whether a request is complete, `patience` is for
    how long it is waited for, which is as long as it takes a client on a machine that has much to do; `most_at_once`
    counts connections; with `proper`, close_notify is said; names that `knows_name` does not are refused."""

    def __init__(self, folder, address="127.0.0.1", port=0, names=("localhost",), pages=PAGES, **changes):
        self.pages = dict(pages)
        self.requests = []
        self.wrong = self.greet = lambda octets: None
        self.is_ended = lambda octets: b"\r\n" in octets or len(octets) > 1026
        self.knows_name = lambda name: name in (None, "localhost")
        self.patience, self.proper = LONGEST, True
        self.open, self.most_at_once = 0, 0
        find_or_make(folder, names)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate_paths(folder, names[0]))
        self.context.sni_callback = self._check_name
        for key, value in changes.items():
            setattr(self if hasattr(self, key) else self.context, key, value)
        listener = socket.create_server((address, port))
        self.address = listener.getsockname()[:2]
        self.port = self.address[1]
        self._counting = threading.Lock()
        self._listener = ThreadedListener(listener, self._serve)

    def _check_name(self, tls, name, context):
        return None if self.knows_name(name) else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def _serve(self, sock):
        with self._counting:
            self.open += 1
            self.most_at_once = max(self.open, self.most_at_once)
        try:
            self._talk(sock)
        finally:
            with self._counting:
                self.open -= 1

    def _talk(self, sock):
        sock.settimeout(self.patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an end waits for no acknowledgement
        with sock, contextlib.suppress(OSError):
            first = sock.recv(2000, socket.MSG_PEEK)
            if (answer := self.greet(first)) is not None:
                sock.recv(2000)
                sock.sendall(answer)
                return
            with self.context.wrap_socket(sock, server_side=True) as tls:
                octets = b""
                while not self.is_ended(octets) and (piece := tls.recv(4096)):
                    octets += piece
                if not octets:
                    return  # who has only looked at the certificate
                tls.sendall(self._answer(octets))
                if self.proper:
                    tls.unwrap()
                    tls.settimeout(LONGEST)

    def _answer(self, octets):
        self.requests.append(octets)
        line, end, _ = octets.partition(b"\r\n")
        if (answer := self.wrong(line)) is not None:
            return answer
        try:
            if not end or len(line) > 1024:
                raise BadRequest("too long")
            url = parse_url(line)
        except BadRequest as error:
            return f"59 {error.meta}\r\n".encode()
        if (url.scheme, url.host, url.port or 1965) != ("gemini", "localhost", self.port):
            return b"53 Not here\r\n"
        return self.pages.get(url.path, b"51 Not found\r\n")

    def subject(self, **changes):
        values = {
            "host": "localhost",
            "port": self.port,
            "path": "/",
            "addresses": (self.address,),
            "exempt": {},
            "patience": LONGEST / 3,
            "is_own": True,
        }
        return Subject(**(values | changes))

    def visitor(self, **changes):
        return Visitor(self.subject(**changes), self.address, Pace(0.0, LONGEST), LONGEST / 3)

    def close(self):
        self._listener.close()


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """Start such servers, all with one certificate unless they have names of their own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    servers = []

    def start(folder="certificates", **changes):
        servers.append(CheckedServer(tmp_path / folder, **changes))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def outcome_of():
    """What the probe of this name, in a module's table, says of a server."""

    def outcome_of(probes, name, visitor):
        return next(one for one in probes if one.rule.name == name).run(visitor)

    return outcome_of


@pytest.fixture
def said_by(checked, outcome_of):
    """What the probe of this name says of a server with these changes: the kind, and what was found."""

    def said_by(probes, name, **changes):
        outcome = outcome_of(probes, name, checked(**changes).visitor())
        return outcome.kind and outcome.kind.value, outcome.text

    return said_by
