"""What stories of hosts that are passed on share: two daemons, one behind the other, and clients of the first."""

import contextlib
import hashlib
import json
import random
import re
import ssl
from collections.abc import Callable
from pathlib import Path

from tests.support.tls_client import make_context

from .conftest import Answer, Daemon

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

Run = Callable[..., Daemon]


def serve_behind(run: Run, root: Path, certificate: Path, settings: str = "", **options) -> Daemon:
    """A server with a page, a large file, a script, and what is for the owner of a certificate."""
    for folder in ("ada", "cgi-bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "index.gmi").write_text("# Behind\n")
    (root / "big.bin").write_bytes(BIG)
    (root / "ada" / "index.gmi").write_text("# Ada's\n")
    pem = re.search("-----BEGIN CERTIFICATE.*END CERTIFICATE-----", certificate.read_text(), re.S)[0]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    return run("back", BACK % (settings, digest), **options)


def ask(daemon: Daemon, path: str = "/", name: str = "b.example", **options) -> Answer:
    """The answer to a request whose handshake names its host."""
    return daemon.send(f"gemini://{name}{path}\r\n".encode(), name=name, **options)


def lines_of_passes(daemon: Daemon) -> list[dict[str, object]]:
    """The lines of the access log about connections that were passed on."""
    return [line for line in map(json.loads, daemon.access) if "received" in line]


def make_hello(name: str) -> bytes:
    """The first that a client sends which asks for this host."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        make_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()
