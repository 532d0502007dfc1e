"""A client that never waits: TLS over memory BIOs and a socket, one step at a time, in the test's own thread.

Rule: it knows how its connection ended: `whole` by close_notify, `broken` by an end or a reset without one.
"""

import contextlib
import errno
import socket
import ssl
import struct

from tests.support.tls_client import make_context


class Client:
    """`data` is what was answered so far; `end` is None, "whole" or "broken"; `octets` counts those that came."""

    def __init__(self, sock, context=None):
        sock.setblocking(False)
        self.socket = sock
        self.data = b""
        self.end = None
        self.octets = 0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or make_context()).wrap_bio(self._incoming, self._outgoing)

    def shake_hands(self):
        """One step of the handshake; whether it is done."""
        self.pull()
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.push()
        return True

    def encrypt(self, data):
        """The octets of one record, or more, that hold `data`; what else TLS has to say comes before."""
        self.tls.write(data)
        return self._outgoing.read()

    def hello(self):
        """The octets of the first flight."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def send(self, data):
        """Encrypted, as far as the socket takes it."""
        self.tls.write(data)
        self.push()

    def push(self):
        """Send what TLS has to say."""
        octets = self._outgoing.read()
        if octets:
            self.socket.sendall(octets)

    def pull(self, most=1 << 30):
        """Give TLS what is here, at most so many octets."""
        with contextlib.suppress(BlockingIOError):
            while most > 0:
                try:
                    octets = self.socket.recv(min(most, 65536))
                except ConnectionResetError:
                    octets = b""
                if not octets:
                    self._incoming.write_eof()
                    return
                self.octets += len(octets)
                most -= len(octets)
                self._incoming.write(octets)

    def read(self, most=1 << 30):
        """Take what was answered; all of it so far."""
        self.pull(most)
        try:
            while self.end is None:
                chunk = self.tls.read(65536)
                self.data += chunk
                if not chunk:
                    self.end = "whole"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.end = "broken"
        return self.data

    def finish_sending(self):
        """FIN; the client still reads."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def is_closed(self):
        """Whether the other end was closed; what it sent before is dropped."""
        try:
            while self.socket.recv(65536):
                pass
        except OSError as error:
            return error.errno != errno.EAGAIN
        return True


def tcp_pair(*, receive=None, send=None):
    """Two connected TCP sockets, a client's and a server's; the sizes are of its receive and of the other's send
    buffer, in bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        if receive is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if send is not None:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send)
    return client, server
