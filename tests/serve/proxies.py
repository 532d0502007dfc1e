"""What stories of requests that are passed on to Gemini servers share: a server behind, and one before it."""

import random
import re
import ssl
from pathlib import Path

import pytest

from tests.support.tls_server import make_server_context
from tests.support.upstreams import Server

from .certificates import fingerprint, make_certificate
from .conftest import Answer, Daemon
from .scripts import write_into

BIG = random.Random(15).randbytes(5 << 20)
BACK = """
workers = 1
%s
[[host]]
name = "localhost"
aliases = ["b.example"]
root = "{tmp}/back"
check-port = false
cgi = "cgi-bin"
{host}
  [[host.location]]
  path = "/any/"
  client-certificate = "any"
  [[host.location]]
  path = "/ours/"
  client-certificate = ["SHA256:%s"]
"""
FRONT = """
workers = 2
%s
[[host]]
name = "localhost"
aliases = ["b.example"]
root = "{root}"
  [[host.location]]
  path = "/p"
  proxy = { %s }
"""


@pytest.fixture
def run(start, tmp_path: Path, capsule: Path):
    """Serve by a configuration of its own: TOML text, with {root} and {tmp} to fill in."""

    def run_it(name: str, text: str, workers: int = 1) -> Daemon:
        path = tmp_path / f"{name}.conf"
        path.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
        flags = () if "\nlisten = " in text else ("--host", "127.0.0.1", "--port", "0")
        return start("-c", path, *flags).wait_until_ready(workers)

    return run_it


@pytest.fixture
def ours(tmp_path: Path) -> str:
    """The certificate of the server before, and the keys of `proxy` for it."""
    certificate, _ = make_certificate(tmp_path / "ours.pem", "front")
    return fingerprint(certificate)


@pytest.fixture
def serve_behind(run, tmp_path: Path, ours: str):
    """Run a server behind, with a page, a large file, a script, and what is for some alone."""

    def serve(settings: str = "", name: str = "back", host: str = "") -> Daemon:
        root = tmp_path / "back"
        if not root.exists():
            for folder in ("any", "ours", "cgi-bin"):
                (root / folder).mkdir(parents=True)
                (root / folder / "index.gmi").write_text(f"# {folder}\n")
            (root / "index.gmi").write_text("# Behind\n")
            (root / "big.bin").write_bytes(BIG)
            write = write_into(root / "cgi-bin")
            write("who", 'printf "20 text/plain\\r\\n"; echo "$REMOTE_ADDR $GEMINI_URL"')
            write("ask", 'printf "10 Your name?\\r\\n"')
            write("go", 'printf "31 ../x%%20y\\r\\n"')
            write("slow", 'printf "44 60\\r\\n"')
        return run(name, (BACK % (settings, ours)).replace("{host}", host))

    return serve


@pytest.fixture
def back(serve_behind) -> Daemon:
    """The server behind."""
    return serve_behind()


@pytest.fixture
def serve_before(run):
    """Run the one before, with these keys of `proxy` at /p, which is taken off."""
    return lambda keys, settings="": run("front", FRONT % (settings, f"strip = 1, {keys}"), 2)


@pytest.fixture
def front(serve_before, back: Daemon) -> Daemon:
    """The one before it."""
    return serve_before(f'to = "{url_of(back)}"')


@pytest.fixture
def server():
    """An upstream that says nothing by itself."""
    made = Server()
    yield made
    made.close()


def url_of(daemon: Daemon) -> str:
    return f"gemini://127.0.0.1:{daemon.port}"


def ask(daemon: Daemon, path: str = "/p/", name: str = "localhost", **options) -> Answer:
    return daemon.send(f"gemini://{name}{path}\r\n".encode(), name=name, **options)


def accept_request(server: Server, folder: Path) -> ssl.SSLSocket:
    """The next connection, whose handshake is done and whose request was read."""
    context = make_server_context(folder / "hostile", "localhost")
    tls = context.wrap_socket(server.accept(), server_side=True, suppress_ragged_eofs=False)
    server.accepted[-1] = tls
    request = b""
    while not request.endswith(b"\r\n"):
        request += tls.recv(1024)
    return tls


def edit(daemon_path: Path, before: str, after: str) -> None:
    """Change a configuration."""
    text = daemon_path.read_text()
    assert before in text
    daemon_path.write_text(text.replace(before, after))


def known_servers(daemon: Daemon) -> dict[str, str]:
    """What a daemon has met, with keys."""
    text = (daemon.folder / "data" / "gemd" / "known_servers").read_text()
    return dict(re.findall(r"^(\S+ \S+) (SPKI-SHA256:\S+) [0-9-]+$", text, re.M))
