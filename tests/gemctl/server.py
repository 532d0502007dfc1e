"""A server of the standard library's making, which does what it is told to, however wrong."""

import contextlib
import re
import socket
import ssl
import threading

import trustme

from gemd.protocol.fingerprint import sha256
from gemd.system.certificates import certificate_paths, find_or_make, renew_self_signed

from .conftest import LONGEST


class Server:
    """Answers each request with `answer`; with `proper`, it says close_notify at the end."""

    def __init__(self, answer=b"20 text/gemini\r\n# A page\n", *, names=("localhost",), proper=True, **options):
        self.answer, self.proper = answer, proper
        self.requests, self.server_names, self.clients = [], [], []
        self.authority = trustme.CA()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.sni_callback = lambda _, name, __: self.server_names.append(name)
        self._context.load_verify_locations(cadata=self.authority.cert_pem.bytes().decode())
        for key, value in options.items():
            setattr(self._context, key, value)
        self.show(*names)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.place = f"localhost:{self.port}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def show(self, *names, **options):
        """Show a new certificate from now on."""
        certificate = self.authority.issue_cert(*names, **options)
        certificate.configure_cert(self._context)
        self.fingerprint = sha256(ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode()))

    def show_renewed(self, tmp_path):
        """Show one that `gemctl cert renew` could have made, for a key that stays; the first time makes the key."""
        find_or_make(tmp_path, ("localhost",))
        renewed = renew_self_signed(tmp_path, ("localhost",))
        self._context.load_cert_chain(*certificate_paths(tmp_path, "localhost"))
        self.fingerprint = renewed.fingerprint

    def url(self, path="/"):
        return f"gemini://{self.place}{path}"

    def _run(self):
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(LONGEST)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent goes before any reset
            with plain, contextlib.suppress(OSError):
                tls = self._context.wrap_socket(plain, server_side=True)
                with tls:
                    self._serve(tls)

    def _serve(self, tls):
        line = b""
        while not line.endswith(b"\r\n") and (chunk := tls.recv(4096)):
            line += chunk
        if not line:
            return
        self.requests.append(line)
        self.clients.append(tls.getpeercert())
        if callable(self.answer):
            self.answer(tls)
        else:
            tls.sendall(self.answer)
        if self.proper:
            tls.unwrap()  # which waits for the client to leave

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LONGEST)
        self._listener.close()


class TitanServer(Server):
    """Takes uploads, of which `bodies` are what came, and has `source` for whoever edits. With `refusal`, it answers
    that before it has read any of a body."""

    def __init__(self, answer=b"30 /a.gmi\r\n", *, source=b"20 text/gemini; lang=en\r\n# A page\n", **options):
        super().__init__(self._take, **options)
        self.reply, self.source, self.refusal = answer, source, None
        self.bodies = []

    def _take(self, tls):
        line = self.requests[-1]
        if line.endswith(b";edit\r\n"):
            tls.sendall(self.source)
            return
        size = int(re.search(rb";size=(\d+)", line)[1])
        if self.refusal is not None:
            tls.sendall(self.refusal)
            return
        body = b""
        while len(body) < size and (chunk := tls.recv(65536)):
            body += chunk
        self.bodies.append(body)
        tls.sendall(self.reply)

    @property
    def parameters(self):
        """Of the last request, what stands behind the path."""
        return self.requests[-1].decode().strip().partition(";")[2]
