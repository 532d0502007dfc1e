"""What stories of hosts that are passed on share: two daemons, one behind the other, and clients of the first."""

import contextlib
import hashlib
import json
import random
import re
import socket
import ssl
from pathlib import Path

import pytest

from tests.support.tls_client import make_context
from tests.support.upstreams import Server

from .certificates import make_certificate
from .conftest import Answer, Daemon
from .scripts import write_into

BIG = random.Random(14).randbytes(3 << 20)
BACK = """
workers = 1
%s
[[host]]
name = "b.example"
aliases = ["*.b.example"]
root = "{tmp}/back"
check-port = false
cgi = "cgi-bin"
  [[host.location]]
  path = "/ada/"
  client-certificate = ["SHA256:%s"]
"""
FRONT = """
workers = 1
%s
[log]
format = "json"
[[host]]
name = "localhost"
root = "{root}"
[[host]]
name = "*.example"
root = "{root}"
[[host]]
name = "b.example"
aliases = ["*.b.example"]
pass = "%s"
"""


@pytest.fixture
def run(start, tmp_path: Path, capsule: Path):
    """Serve by a configuration of its own: TOML text, with {root} and {tmp} to fill in."""

    def run_it(name: str, text: str) -> Daemon:
        path = tmp_path / f"{name}.conf"
        path.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
        flags = () if "\nlisten = " in text else ("--host", "127.0.0.1", "--port", "0")
        return start("-c", path, *flags).wait_until_ready(1)

    return run_it


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    """Somebody's certificate, and its key."""
    make_certificate(tmp_path / "ada.pem")
    return tmp_path / "ada.pem"


@pytest.fixture
def serve_behind(run, tmp_path: Path, ada: Path):
    """Run the server behind, with a page, a large file, a script, and what is for Ada alone."""

    def serve(settings: str = "") -> Daemon:
        root = tmp_path / "back"
        (root / "ada").mkdir(parents=True)
        (root / "cgi-bin").mkdir()
        (root / "index.gmi").write_text("# Behind\n")
        (root / "big.bin").write_bytes(BIG)
        (root / "ada" / "index.gmi").write_text("# Ada's\n")
        write_into(root / "cgi-bin")("who", 'printf "20 text/plain\\r\\n"; echo "$REMOTE_ADDR $TLS_CLIENT_HASH"')
        pem = re.search("-----BEGIN CERTIFICATE.*END CERTIFICATE-----", ada.read_text(), re.DOTALL)
        assert pem is not None
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[0])).hexdigest()
        return run("back", BACK % (settings, digest))

    return serve


@pytest.fixture
def back(serve_behind) -> Daemon:
    """The server behind."""
    return serve_behind()


@pytest.fixture
def front(run, back: Daemon) -> Daemon:
    """The one before it."""
    return run("front", FRONT % ("", f"localhost:{back.port}"))


@pytest.fixture
def server():
    """An upstream that says nothing by itself."""
    made = Server()
    yield made
    made.close()


def ask(daemon: Daemon, path: str = "/", name: str = "b.example", **options) -> Answer:
    """The answer to a request whose handshake names its host."""
    return daemon.send(f"gemini://{name}{path}\r\n".encode(), name=name, **options)


def receive(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where it ends before."""
    got = b""
    while len(got) < size and (data := sock.recv(size - len(got))):
        got += data
    return got


def lines_of_passes(daemon: Daemon) -> list[dict[str, object]]:
    """The lines of the access log about connections that were passed on."""
    return [line for line in map(json.loads, daemon.access) if "received" in line]


def make_hello(name: str) -> bytes:
    """The first that a client sends which asks for this host."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        make_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()
