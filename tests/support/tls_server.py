"""The server's side of TLS for tests of clients, in memory, by the standard library."""

import contextlib
import ssl
from pathlib import Path

from gemd.system.certificates import find_or_make


def make_server_context(folder: Path, name: str = "h", *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Of a server with a certificate of its own for `name`, which is kept in `folder`."""
    made = find_or_make(folder, (name,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path, made.path.with_suffix(".key"))
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class TLSServer:
    """One connection: octets of the client go in by `feed`, those for it come out by `take`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.name: str | None = None  # that the client asked for
        context.sni_callback = lambda _, name, __: setattr(self, "name", name)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_secure = False
        self.request = b""

    def feed(self, data: bytes) -> None:
        """What the client has sent; it is acted upon as far as it goes."""
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self.is_secure:
                self.tls.do_handshake()
                self.is_secure = True
            while piece := self.tls.read(65536):
                self.request += piece

    def take(self) -> bytes:
        """What is to be sent to the client."""
        return self._outgoing.read()

    def end(self) -> None:
        """Say that nothing more comes."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
