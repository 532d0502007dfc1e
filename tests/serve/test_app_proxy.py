"""Applications that answer for others, as Jetforce's have it: whatever the scheme and the host of a URL are."""

import os
import subprocess
import sys

import pytest

from tests.app.conftest import load_jetforce
from tests.support.processes import free_port

from .applications import serve_app, write  # noqa: F401, fixtures
from .certificates import make_certificate
from .conftest import Daemon, wait_for

PROXY = """
import subprocess, sys
from {framework} import JetforceApplication, Response, Status

app = JetforceApplication()
FETCH = "import sys; print('fetched', sys.argv[1])"

@app.route(scheme="https", strict_hostname=False)
@app.route(scheme="http", strict_hostname=False)
def fetch(request):
    page = subprocess.run([sys.executable, "-c", FETCH, request.url], stdout=subprocess.PIPE, check=True)
    return Response(Status.SUCCESS, "text/plain", page.stdout)
"""
KEYS = 'schemes = ["gemini", "http", "https"]\nhosts = "*"\n'


@pytest.fixture(params=["gemd.app", "jetforce"])
def source(request):
    if request.param == "jetforce":
        load_jetforce()
    return PROXY.replace("{framework}", request.param)


def test_pages_of_the_web(serve_app, write, source, tmp_path):
    write("proxy.py", source)
    daemon = serve_app("proxy:app", keys=KEYS)
    for url in ("https://wiki.example/a?b%20c", "http://wiki.example/", "https://localhost/"):
        for name in ("localhost", "wiki.example", None):
            answer = daemon.send(f"{url}\r\n".encode(), name=name)
            if name == "wiki.example" or "localhost" not in (url, name):
                assert (answer.header, answer.text, answer.complete) == ("20 text/plain", f"fetched {url}\n", True)
    assert daemon.ask("/").header == "50 Not Found"
    assert daemon.send(b"gemini://wiki.example/\r\n").header == "50 Not Found"
    assert daemon.send(b"gopher://wiki.example/\r\n").status == 53
    assert any("https://wiki.example/a" in line for line in daemon.access)


def test_not_for_everybody(serve_app, write, source, tmp_path):
    make_certificate(tmp_path / "ada.pem", "Ada")
    write("proxy.py", source)
    daemon = serve_app("proxy:app", keys=KEYS + 'client-certificate = "any"\n')
    asked = b"https://wiki.example/\r\n"
    assert daemon.send(asked).status == 60
    assert daemon.send(asked, cert=tmp_path / "ada.pem").text == "fetched https://wiki.example/\n"


def test_an_application_that_does_not_say_so_is_not_asked(serve_app, write, source):
    write("proxy.py", source)
    daemon = serve_app("proxy:app")
    assert daemon.send(b"https://localhost/\r\n").status == 53
    assert daemon.send(b"gemini://wiki.example/\r\n").status == 53


def test_a_program_says_it_by_its_routes(tmp_path):
    port = free_port()
    user = ', user="root"' if os.geteuid() == 0 else ""
    program = PROXY.replace("{framework}", "gemd.app") + "\nfrom gemd.app.server import GeminiServer\n"
    (tmp_path / "program.py").write_text(f"{program}GeminiServer(app, port={port}{user}).run()\n")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, tmp_path / "program.py"],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
        )
    try:
        wait_for(lambda: "listening on" in (tmp_path / "log").read_text(), "it to listen")
        client = Daemon.__new__(Daemon)
        client.port = port
        assert client.send(b"https://wiki.example/\r\n", name="wiki.example").text == "fetched https://wiki.example/\n"
    finally:
        process.terminate()
        assert process.wait(15) == 0
