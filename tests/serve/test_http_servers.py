"""HTTP servers behind: the one of the standard library, with files and with pages of its own."""

import base64
import functools
import gzip
import http.server
import json
import random
import ssl
import subprocess
import sys
import threading

import pytest

from tests.support.waiting import wait_for

from .certificates import make_certificate
from .conftest import AS_ROOT
from .sharing import shared_daemon

BIG = random.Random(15).randbytes(3 << 20)
CONFIG = """
workers = 2
[log]
format = "json"
[[host]]
name = "localhost"
root = "{root}"
[[host.location]]
path = "/files"
proxy = { to = "http://127.0.0.1:%d", strip = 1 }
[[host.location]]
path = "/pages"
proxy = { to = "http://127.0.0.1:%d" }
[[host.location]]
path = "/own-name"
proxy = { to = "http://127.0.0.1:%d", rewrite-host = true }
"""


class Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".gmi": "text/gemini; charset=utf-8", "": "application/octet-stream"}

    def log_message(self, *_):
        pass


class Pages(http.server.BaseHTTPRequestHandler):
    """Says what it was asked for, by chunks and compressed where the path ends so."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        page = json.dumps({"path": self.path, "fields": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if self.path.endswith("gzip"):
            page = gzip.compress(page)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(page), 50):
            piece = page[at : at + 50]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def serve_http():
    """Serve by a handler, in a thread; its port."""
    running = []

    def serve(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        running.append((server, thread))
        return server.server_port

    yield serve
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "index.html").write_text("<h1>Behind</h1>")
    (folder / "a page.gmi").write_text("# Behind\n")
    (folder / "big.bin").write_bytes(BIG)
    (folder / "below").mkdir()
    (folder / "below" / "page.gmi").write_text("# Below\n")
    return folder


@pytest.fixture(scope="module")
def daemon(serve_http, files, tmp_path_factory):
    pages = serve_http(Pages)
    ports = serve_http(functools.partial(Files, directory=files)), pages, pages
    with shared_daemon(tmp_path_factory.mktemp("daemon"), CONFIG % ports) as daemon:
        daemon.pages = ports[1]
        yield daemon


def test_files_of_another_server(daemon):
    answer = daemon.ask("/files/a%20page.gmi")
    assert (answer.header, answer.text) == ("20 text/gemini; charset=utf-8", "# Behind\n")
    assert daemon.ask("/files").text == "<h1>Behind</h1>"
    answer = daemon.ask("/files/big.bin")
    assert (answer.body == BIG, answer.complete) == (True, True)


def test_what_is_not_there(daemon):
    assert daemon.ask("/files/nothing.gmi").header == "51 Not Found"
    assert daemon.ask("/files/below/nothing").status == 51


def test_a_redirect_is_one_within_the_location(daemon):
    answer = daemon.ask("/files/below")
    assert (answer.status, answer.meta) == (31, "/files/below/")
    assert "page.gmi" in daemon.ask(answer.meta).text


def test_it_is_logged_as_any_answer(daemon):
    raw = daemon.ask("/files/below/page.gmi").raw
    lines = wait_for(
        lambda: [line for line in map(json.loads, daemon.access) if "/below/page" in line["url"]], "a line"
    )
    assert [(line["status"], line["complete"], line["bytes"]) for line in lines] == [(20, True, len(raw))]


@pytest.mark.parametrize("path", ["/pages/x?a=b%20c", "/pages/gzip", "/pages//y"])
def test_what_a_server_is_asked(daemon, path):
    answer = daemon.ask(path)
    assert answer.header == "20 application/json"
    said = json.loads(answer.text)
    assert said["path"] == path
    assert said["fields"]["Host"] == "localhost"
    assert "Client-Cert" not in said["fields"]


def test_its_own_name(daemon):
    assert json.loads(daemon.ask("/own-name").text)["fields"]["Host"] == f"127.0.0.1:{daemon.pages}"


def test_a_clients_certificate_is_told(daemon, tmp_path):
    path = tmp_path / "ada.pem"
    make_certificate(path)
    fields = json.loads(daemon.ask("/pages/", cert=path).text)["fields"]
    pem = path.read_text()
    pem = pem[pem.index("-----BEGIN CERTIFICATE") :].partition("-----END CERTIFICATE-----")
    assert base64.b64decode(fields["Client-Cert"].strip(":")) == ssl.PEM_cert_to_DER_cert("".join(pem[:2]))


def test_many_at_once(daemon):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.ask("/files/big.bin"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(answer.body == BIG, answer.complete) for answer in answers] == [(True, True)] * 8


# The check of a configuration


def check(tmp_path, proxy, *blocked):
    (tmp_path / "root").mkdir()
    path = tmp_path / "gemd.conf"
    path.write_text(f'[[host]]\nname = "h"\nroot = "root"\n[[host.location]]\npath = "/x"\nproxy = {proxy}\n')
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n")
    command = [sys.executable, "-m", "gemd", "-t", "-c", str(path), *AS_ROOT]
    return subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    )


def test_https_is_said_not_to_be_there(tmp_path):
    done = check(tmp_path, '{ to = "https://127.0.0.1" }')
    assert done.returncode == 3
    assert f"{tmp_path}/gemd.conf:6: h/x: proxy.to: https is not there: expected" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_that_is_missing_is_said(tmp_path):
    done = check(tmp_path, '{ to = "http://127.0.0.1" }', "h11")
    assert done.returncode == 3
    assert f"{tmp_path}/gemd.conf:6: h/x: proxy.to: http:// needs the library h11, which can't be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_wrong(tmp_path):
    assert check(tmp_path, '{ to = "http://127.0.0.1" }').returncode == 0
    assert check(tmp_path / "root", '{ to = "gemini://127.0.0.1:1966" }', "h11").returncode == 0
