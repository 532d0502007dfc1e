"""Both sides of TLS in memory: no port, no thread, no waiting."""

import ssl


class Pair:
    """A server's connection and a client of it, with nothing between them but what a test carries."""

    def __init__(self, context, client, server_name=None):
        self.server = context.make_connection()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.incoming, self.outgoing, server_hostname=server_name)

    def flush(self):
        """Carry what the client wrote to the server."""
        self.server.feed(self.outgoing.read())

    def fetch(self):
        """Carry what the server wrote to the client; the octets themselves."""
        fetched = b"".join(bytes(piece) for piece in iter(self.server.take, b""))
        self.incoming.write(fetched)
        return fetched

    def step(self):
        """One turn of the client."""
        try:
            self.client.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.flush()
        return True

    def shake_hands(self):
        """Both handshakes to their end. Raises TLSError where the server, ssl.SSLError where the client gives up."""
        done = False
        for _ in range(10):
            done = done or self.step()
            is_server_done = self.server.handshake()
            self.fetch()
            if done and is_server_done:
                return
        raise AssertionError("the handshake does not end")

    def read(self):
        self.fetch()
        return self.client.read(65536)
