"""A Gemini client for use inside the container, where nothing but Python is.

Rules: a request is tried once, and counts only when all of its answer has come, close_notify included.

    client.py fetch URL             prints the answer as it comes, header line first
    client.py load URL CLIENTS      asks until its standard input ends; prints "begun" and, at the end, counts as JSON
"""

import collections
import json
import socket
import ssl
import sys
import threading
import urllib.parse
from collections.abc import Iterator

TIMEOUT = 30.0


def make_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python's default takes a broken off answer for a whole one
    return context


def fetch(url: str, context: ssl.SSLContext) -> Iterator[bytes]:
    """The answer of a server on this machine, as it comes. Raises OSError."""
    parts = urllib.parse.urlsplit(url)
    with (
        socket.create_connection(("127.0.0.1", parts.port or 1965), timeout=TIMEOUT) as sock,
        context.wrap_socket(sock, server_hostname=parts.hostname, suppress_ragged_eofs=False) as tls,
    ):
        tls.sendall(url.encode() + b"\r\n")
        while chunk := tls.recv(65536):
            yield chunk


def load(url: str, clients: int) -> dict[str, int]:
    """How often what happened until standard input ended; a good answer is "ok"."""
    counts: collections.Counter[str] = collections.Counter()
    is_over = threading.Event()
    lock = threading.Lock()

    def ask() -> None:
        context = make_context()
        while not is_over.is_set():
            try:
                answer = b"".join(fetch(url, context))
                what = "ok" if answer.startswith(b"20 ") else repr(answer[:60])
            except OSError as error:
                what = f"{type(error).__name__}: {error}"
            with lock:
                if not counts:
                    print("begun", flush=True)
                counts[what] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    is_over.set()
    for thread in threads:
        thread.join()
    return dict(counts)


if __name__ == "__main__":
    if sys.argv[1] == "fetch":
        for chunk in fetch(sys.argv[2], make_context()):
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
    else:
        print(json.dumps(load(sys.argv[2], int(sys.argv[3]))))
